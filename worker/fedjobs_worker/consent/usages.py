"""Counts what jobs have used of a silo from its audit log, so that the counts survive restarts of workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from fedjobs_common.models import Model
from pydantic import Field, ValidationError

_LATEST = 253_402_300_800  # the first second after the year 9999
_LOG = structlog.get_logger()


class JobUsage(Model, frozen=False):
    """The usage of one job."""

    begun: str = ""
    """The day (UTC) on which the silo first took part."""
    undecided: bool = False
    """Whether the job has a worker that has not decided yet whether the silo takes part."""
    runs: dict[str, int] = Field(default_factory=dict)
    """The number of runs of each shard, by digest."""
    last_work: str = ""
    """The digest of the last work item (`work_items.asked_by`)."""
    bytes_up: dict[str, int] = Field(default_factory=dict)
    """The bytes of accumulators that were sent, by day (UTC)."""
    until: float = 0.0
    """The time of the last counted entry, in seconds since 1970."""


class Usage(Model, frozen=False):
    """The usage of all jobs."""

    jobs: dict[str, JobUsage] = Field(default_factory=dict)

    def of(self, job: str) -> JobUsage:
        """Returns the usage of a job."""
        return self.jobs.get(job, JobUsage())

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
                update={"runs": {}, "bytes_up": {day: used.bytes_up[day]} if day in used.bytes_up else {}}
            )
            for uid, used in self.jobs.items()
            if uid != job and (used.begun == day or used.undecided or day in used.bytes_up)
        }
        return Usage(jobs=others | ({job: self.jobs[job]} if job in self.jobs else {}))

    def count(self, entry: Mapping[str, Any]) -> None:
        """Counts an entry of an audit log."""
        uid, at = entry.get("job"), entry.get("time")
        if not isinstance(uid, str) or not isinstance(at, int | float) or not 0 <= at < _LATEST:
            return
        job = self.jobs.setdefault(uid, JobUsage())
        # The agent collects an entry later than it was written, and by another clock.
        written = entry.get("workerTime")
        job.until = max(job.until, min(at, written) if isinstance(written, int | float) else at)
        if entry.get("decision") == "allowed":
            _count(job, entry, day_of(at))


def _count(job: JobUsage, entry: Mapping[str, Any], day: str) -> None:
    subject = entry.get("subject")
    if subject == "invitation":
        job.begun = job.begun or day
    elif subject == "work":
        asked = str(entry.get("asked") or entry.get("work"))  # older entries only have the work's identity
        if asked != job.last_work:  # a worker that was killed repeats its work
            shard = str(entry.get("shard"))
            job.runs[shard] = job.runs.get(shard, 0) + 1
            job.last_work = asked
    elif subject == "result":
        size = entry.get("bytes")
        job.bytes_up[day] = job.bytes_up.get(day, 0) + (size if isinstance(size, int) and size > 0 else 0)


def day_of(seconds: float) -> str:
    """Returns the day (UTC) of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


class Ledger:
    """Reads the usage from a silo's audit log. Each call includes what other processes have appended.

    Args:
        log: The path of the audit log, which may not exist yet.
        earlier: A JSON file with the `Usage` of the silo's other audit logs, if each worker has its own log. Entries
            that it has counted are not counted again.
    """

    def __init__(self, log: Path, earlier: Path | None = None) -> None:
        self._log = log
        self._offset = 0
        self._usage = _read(earlier)
        self._counted = {uid: job.until for uid, job in self._usage.jobs.items()}

    def usage(self) -> Usage:
        """Returns the current usage."""
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
        except (ValueError, TypeError, AttributeError):
            _LOG.warning("cannot read a line of the audit log", log=str(self._log))


def _read(path: Path | None) -> Usage:
    """Reads the usage of other logs. Returns an empty usage if the file cannot be read."""
    if path is None or not path.exists():
        return Usage()
    try:
        return Usage.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        _LOG.error("cannot read the earlier usage; it is not counted", file=str(path), error=str(error))
        return Usage()
