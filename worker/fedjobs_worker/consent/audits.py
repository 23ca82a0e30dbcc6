"""The silo's audit log: what it was asked, how it decided, and what it sent.

The log is an append-only file of JSON lines. Each line has the hash of the previous line, so that changes can be
detected (`audit_chains`). Several processes of a silo may write to one file.
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
"""The subject whose entries are not synced to disk. The entry of the result is synced, before anything leaves the silo,
so each round syncs once."""
Detail = str | int | float | list[str] | None


class Audit:
    """The audit log of one silo for one job.

    Args:
        path: The path of the log. It is created if it does not exist, and only the silo's user can read it.
        silo: The silo's name.
        job: The job's uid.
        clock: Returns the time in seconds since 1970.
        tell: Whether to print each line to standard output too, with `"audit": true`. The agent collects these lines.
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
            subject: The subject of the decision: `invitation`, `computation` or `work`.
            decision: The decision.
            details: Details of the request, such as the shard's digest.
        """
        if isinstance(decision, Refused):
            self.note(subject, decision="refused", rule=decision.rule, message=decision.message, **details)
        else:
            self.note(subject, decision="allowed", **details)

    def note(self, subject: str, **details: Detail) -> None:
        """Appends an entry."""
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
        """Holds an exclusive lock, for a decision that depends on the content of the log."""
        descriptor = os.open(
            self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Closes the file."""
        self._chain.close()
