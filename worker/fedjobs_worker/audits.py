"""The silo's record of what it was asked and how it decided: one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from fedjobs_worker.policies import Decision, Refused


class Audit:
    """The audit log of one silo for one job.

    Args:
        path: Made if it does not exist; readable by the silo's own user only.
        silo: The silo's name.
        job: The job's uid.
        clock: Seconds since 1970.
    """

    def __init__(self, path: Path, silo: str, job: str, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._silo = silo
        self._job = job
        self._clock = clock

    def record(self, subject: str, decision: Decision, **details: str | int | list[str] | None) -> None:
        """Appends one decision.

        Args:
            subject: What was decided about: invitation, work.
            decision: And how.
            details: Of what was asked, such as the shard's digest.
        """
        refused = isinstance(decision, Refused)
        line = {
            "time": round(self._clock(), 3),
            "silo": self._silo,
            "job": self._job,
            "subject": subject,
            "decision": "refused" if refused else "allowed",
        }
        if isinstance(decision, Refused):
            line |= {"rule": decision.rule, "message": decision.message}
        # One write of a whole line, so that lines of two processes never mix.
        os.write(self._fd, (json.dumps(line | details, ensure_ascii=False) + "\n").encode())

    def close(self) -> None:
        os.close(self._fd)
