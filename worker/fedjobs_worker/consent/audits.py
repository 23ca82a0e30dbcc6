"""The silo's audit log: what it was asked, how it decided, and what it sent.

The log is an append-only file of JSON lines. Each line has the hash of the previous line, so that changes can be
detected (`audit_chains`). Several processes of a silo may write to one file. On Kubernetes, each worker has a file of
its own, which a container prints (`audit_printer`) and the agent collects.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_worker.consent import audit_entries
from fedjobs_worker.consent.audit_chains import AuditChain, raw_lines
from fedjobs_worker.consent.audit_entries import MAX_JOB, MAX_LINE, Detail, Entry, Subject
from fedjobs_worker.consent.policies import Decision, Refused

_FOLLOWED = Subject.WORK
"""The subject whose entries are not synced to disk. The entry of the result is synced, before anything leaves the silo,
so each round syncs once."""

_FOR_FAILURES = 256 * 1024
"""Bytes for error messages after the job's part of the log is full."""


class Audit:
    """The audit log of one silo for one job.

    Args:
        path: The path of the log. It is created if it does not exist, and only the silo's user can read it.
        silo: The silo's name.
        job: The job's uid.
        clock: Returns the time in seconds since 1970.
        most: The maximum bytes of the job's entries in the log.

    Raises:
        FedjobsError: The log cannot be opened.
    """

    def __init__(
        self, path: Path, silo: str, job: str, clock: Callable[[], float] = time.time, *, most: int = MAX_JOB
    ) -> None:
        self._chain = AuditChain(path)
        self._path = path
        self._silo = silo
        self._job = job
        self._clock = clock
        self._most = most
        self._size = sum(len(line) for line in raw_lines(path) if _job_of(line) == job)
        self._full = False

    def record(self, subject: str, decision: Decision, **details: Detail) -> None:
        """Appends a decision.

        Args:
            subject: The subject of the decision. See `audit_entries.Subject`.
            decision: The decision.
            details: Details of the request, such as the shard's digest.
        """
        if isinstance(decision, Refused):
            self.note(subject, decision="refused", rule=decision.rule, message=decision.message, **details)
        else:
            self.note(subject, decision="allowed", **details)

    def failure(self, error: FedjobsError, **details: Detail) -> None:
        """Appends an error message that is about to leave the silo, as it is sent.

        A full or unwritable log does not raise an error here, because the message about that must leave the silo.
        """
        try:
            self.note(Subject.FAILURE, decision="sent", code=error.code.label, message=error.public, **details)
        except FedjobsError as unwritten:
            if unwritten.code not in (ErrorCode.DISK_FULL, ErrorCode.UNAVAILABLE):
                raise

    def note(self, subject: str, *, decision: str, **details: Detail) -> None:
        """Appends an entry. Others choose texts of it, so they are escaped and bounded.

        Raises:
            FedjobsError: DISK_FULL, also if the job's part of the log is full; UNAVAILABLE.
        """
        entry = self._entry(Subject(subject), decision, details)
        if not self._full and self._size + MAX_LINE > self._most:
            full = f"The job's entries in the audit log have {self._size} bytes, and the limit is {self._most}."
            self._append(self._entry(Subject.LOG, "full", {"message": full}))
            self._full = True
        # The silo still says why it does no work.
        if self._full and (subject != Subject.FAILURE or self._size + MAX_LINE > self._most + _FOR_FAILURES):
            raise FedjobsError(
                ErrorCode.DISK_FULL,
                f"The audit log of silo {self._silo} for this job is full. The silo does no more work for the job.",
                "Start a new job.",
            )
        self._append(entry)

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

    def _entry(self, subject: Subject, decision: str, details: dict[str, Detail]) -> Entry:
        head: dict[str, Detail] = {
            "time": round(self._clock(), 3),
            "silo": self._silo,
            "job": self._job,
            "subject": subject.value,
            "decision": decision,
        }
        return audit_entries.bounded(head | details)

    def _append(self, entry: Entry) -> None:
        written = self._chain.append(entry, durable=entry["subject"] != _FOLLOWED)
        self._size += len(json.dumps(written)) + 1


def _job_of(line: bytes) -> object:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry.get("job") if isinstance(entry, dict) else None
