"""Counts what jobs have used of a silo from its audit log, so that the counts survive restarts of workers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from fedjobs_common.models import Model
from pydantic import Field, ValidationError

from fedjobs_worker.consent.audit_entries import LATEST

_SHORT = 16  # hex digits of a digest: enough to recognise repeated work, and a usage stays small
_MOST_ANSWERS = 4096  # that another worker is told of
_LAST = LATEST - 1
NO_DATASET = ""
"""Under this name, `JobUsage.runs` counts work that reads no dataset. It uses the silo's machine all the same."""
_LOG = structlog.get_logger()


class JobUsage(Model, frozen=False):
    """The usage of one job."""

    begun: str = ""
    """The day (UTC) on which the silo first took part."""
    undecided: bool = False
    """Whether the job has a worker that has not decided yet whether the silo takes part."""
    runs: dict[str, int] = Field(default_factory=dict)
    """The number of work items that ran over each dataset, whatever they computed."""
    last_work: str = ""
    """The digest of the last work item that has no outcome yet (`work_items.asked_by`)."""
    again: list[str] = Field(default_factory=list)
    """Work items that ran, and whose outcome was refused or cancelled: the start of the digest of each. Each run of
    them counts, because it can have another outcome."""
    answered: dict[str, str] = Field(default_factory=dict)
    """The work items whose result was sent: the start of the digest of each, and of its result."""
    bytes_up: dict[str, int] = Field(default_factory=dict)
    """The bytes that were sent, by day (UTC)."""
    entries: int = 0
    """The number of entries in the audit log."""
    until: float = 0.0
    """The time of the last counted entry, in seconds since 1970."""

    def counted(self, asked: str) -> bool:
        """Whether work was counted already: it has an answer, or it was interrupted."""
        return short(asked) not in self.again and (asked == self.last_work or short(asked) in self.answered)


class Usage(Model, frozen=False):
    """The usage of all jobs."""

    jobs: dict[str, JobUsage] = Field(default_factory=dict)
    latest: float = 0.0
    """The time of the latest entry of all jobs, in seconds since 1970. A clock that is behind it was set back."""
    unreadable: str = ""
    """Why an earlier usage cannot be read. All limits count as reached then."""

    def of(self, job: str) -> JobUsage:
        """Returns the usage of a job."""
        return self.jobs.get(job, JobUsage())

    def today(self, now: float) -> str:
        """Returns the day (UTC) for which bytes and jobs are counted. It never goes back."""
        return day_of(max(now, self.latest))

    def bytes_up(self, day: str) -> int:
        """Returns the bytes that all jobs have sent on a day."""
        return sum(job.bytes_up.get(day, 0) for job in self.jobs.values())

    def begun(self, day: str) -> set[str]:
        """Returns the jobs that the silo started to take part in on a day, and those that are undecided."""
        return {uid for uid, job in self.jobs.items() if job.begun == day or job.undecided}

    def about(self, job: str, day: str) -> Usage:
        """Returns the part that is relevant for a job on a day."""
        others = {
            uid: used.model_copy(
                update={
                    "runs": {},
                    "answered": {},
                    "again": [],
                    "entries": 0,
                    "bytes_up": {day: used.bytes_up[day]} if day in used.bytes_up else {},
                }
            )
            for uid, used in self.jobs.items()
            if uid != job and (used.begun == day or used.undecided or day in used.bytes_up)
        }
        own = {}
        if job in self.jobs:
            answers = list(self.jobs[job].answered.items())[-_MOST_ANSWERS:]
            again = self.jobs[job].again[-_MOST_ANSWERS:]
            own = {job: self.jobs[job].model_copy(update={"answered": dict(answers), "again": again})}
        return Usage(jobs=others | own, latest=self.latest, unreadable=self.unreadable)

    def count(self, entry: Mapping[str, Any]) -> None:
        """Counts an entry of an audit log."""
        uid, at = entry.get("job"), entry.get("time")
        if not isinstance(uid, str) or not isinstance(at, int | float) or not 0 <= at < LATEST:
            return
        job = self.jobs.setdefault(uid, JobUsage())
        # The agent collects an entry later than it was written, and by another clock.
        written = entry.get("workerTime")
        job.until = max(job.until, min(at, written) if isinstance(written, int | float) else at)
        job.entries += 1
        self.latest = max(self.latest, at)
        if entry.get("decision") == "allowed":
            _count(job, entry, day_of(at))
        elif _is_of_a_run(entry) and (asked := short(str(entry.get("asked") or ""))) and asked not in job.again:
            job.again.append(asked)


def _count(job: JobUsage, entry: Mapping[str, Any], day: str) -> None:
    subject, asked, said = entry.get("subject"), str(entry.get("asked") or ""), entry.get("bytes")
    size = said if isinstance(said, int) and said > 0 else 0
    if subject == "invitation":
        job.begun = job.begun or day
    elif subject == "work":
        if not job.counted(asked):  # a worker that was killed repeats its work
            for dataset in entry.get("datasets") or [NO_DATASET]:
                job.runs[str(dataset)] = job.runs.get(str(dataset), 0) + 1
        job.last_work = asked
    elif subject == "result":
        result = short(str(entry.get("result") or ""))
        if not result or job.answered.get(short(asked)) != result:
            job.bytes_up[day] = job.bytes_up.get(day, 0) + size
        if result:
            job.answered[short(asked)] = result
    elif subject == "failure":
        job.bytes_up[day] = job.bytes_up.get(day, 0) + size
        job.last_work = ""  # the same work counts again, because it can have another outcome


def _is_of_a_run(entry: Mapping[str, Any]) -> bool:
    """Whether an entry without a released outcome is about work that ran."""
    subject, decision = entry.get("subject"), entry.get("decision")
    return (decision == "refused" and subject in ("result", "failure")) or (
        decision == "cancelled" and subject == "work"
    )


def short(digest: str) -> str:
    """Returns the start of a digest, by which work and results are recognised."""
    return digest[:_SHORT]


def day_of(seconds: float) -> str:
    """Returns the day (UTC) of a time in seconds since 1970."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), _LAST), UTC).date().isoformat()


class Ledger:
    """Reads the usage from a silo's audit log. Each call includes what other processes have appended. Thread-safe.

    Args:
        log: The path of the audit log, which may not exist yet.
        earlier: A JSON file with the `Usage` of the silo's other audit logs, if each worker has its own log. Entries
            that it has counted are not counted again. If it cannot be read, all limits count as reached.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(self, log: Path, earlier: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._offset = 0
        self._usage = _read(earlier)
        self._counted = {uid: job.until for uid, job in self._usage.jobs.items()}

    def now(self) -> float:
        """Returns the time, which is always after the latest entry, even if somebody sets the clock back."""
        return max(self._clock(), self.usage().latest + 0.001)

    def usage(self) -> Usage:
        """Returns the current usage."""
        with self._lock:
            if self._log.exists():
                with self._log.open("rb") as file:
                    file.seek(self._offset)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break  # the line is still being written
                        self._offset += len(line)
                        self._add(line)
            return self._usage

    def _add(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            at, counted = entry.get("time"), self._counted.get(entry.get("job"), 0.0)
            if at > counted:
                self._usage.count(entry)
        except (ValueError, TypeError, AttributeError, OverflowError):
            _LOG.warning("cannot read a line of the audit log", log=str(self._log))


def _read(path: Path | None) -> Usage:
    """Reads the usage of other logs. If the file cannot be read, the usage says so."""
    if path is None:
        return Usage()
    try:
        return Usage.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        _LOG.error("cannot read the earlier usage; all limits count as reached", file=str(path), error=str(error))
        return Usage(unreadable=f"{path.name}: {type(error).__name__}")
