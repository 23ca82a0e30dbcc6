"""The silo's record of what it was asked, how it decided, and what left it.

One JSON object a line, only ever appended to, each with the hash of the line before it: what was changed or taken out
later shows (`audit_chains`). Several processes of a silo may write to one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fedjobs_worker.consent.audit_chains import AuditChain
from fedjobs_worker.consent.policies import Decision, Refused

_FOLLOWED = "work"
"""Waits for no disk: the entry of its result does, which comes before anything leaves. One wait a round is enough."""
Detail = str | int | float | list[str] | None


class Audit:
    """The audit log of one silo for one job.

    Args:
        path: Made if it does not exist; readable by the silo's own user only.
        silo: The silo's name.
        job: The job's uid.
        clock: Seconds since 1970.
        tell: Also prints each line to standard output, with `"audit": true`, for who collects it there.
    """

    def __init__(
        self, path: Path, silo: str, job: str, clock: Callable[[], float] = time.time, *, tell: bool = False
    ) -> None:
        self._chain = AuditChain(path)
        self._path = path
        self._silo = silo
        self._job = job
        self._clock = clock
        self._tell = tell

    def record(self, subject: str, decision: Decision, **details: Detail) -> None:
        """Appends a decision.

        Args:
            subject: What was decided about: invitation, computation, work.
            decision: And how.
            details: Of what was asked, such as the shard's digest.
        """
        if isinstance(decision, Refused):
            self.note(subject, decision="refused", rule=decision.rule, message=decision.message, **details)
        else:
            self.note(subject, decision="allowed", **details)

    def note(self, subject: str, **details: Detail) -> None:
        """Appends what happened."""
        about: dict[str, Any] = {
            "time": round(self._clock(), 3),
            "silo": self._silo,
            "job": self._job,
            "subject": subject,
        }
        written = self._chain.append(about | details, durable=subject != _FOLLOWED)
        if self._tell:
            sys.stdout.write(json.dumps({"audit": True} | written) + "\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While others, who ask for it too, wait: for a decision that depends on what the log says so far."""
        descriptor = os.open(
            self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Does nothing to the file."""
        self._chain.close()
