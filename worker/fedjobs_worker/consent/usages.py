"""What jobs have taken of a silo so far, counted from its audit log: so it survives whatever its worker does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from fedjobs_common.models import Model
from pydantic import Field, ValidationError

_LOG = structlog.get_logger()


class JobUsage(Model, frozen=False):
    """What one job has taken."""

    begun: str = ""
    """The day (UTC) on which the silo first took part."""
    undecided: bool = False
    """It has a worker that has not decided yet whether the silo takes part."""
    runs: dict[str, int] = Field(default_factory=dict)
    """How often each shard was run, by its digest."""
    last_work: str = ""
    """All that the last work item asked for, as a digest (`work_items.asked_by`)."""
    bytes_up: dict[str, int] = Field(default_factory=dict)
    """Bytes of accumulators by day (UTC)."""
    until: float = 0.0
    """Seconds since 1970 of the last entry that was counted."""


class Usage(Model, frozen=False):
    """What all jobs have taken."""

    jobs: dict[str, JobUsage] = Field(default_factory=dict)

    def of(self, job: str) -> JobUsage:
        """What a job has taken."""
        return self.jobs.get(job, JobUsage())

    def bytes_up(self, day: str) -> int:
        """What all jobs have sent in a day."""
        return sum(job.bytes_up.get(day, 0) for job in self.jobs.values())

    def begun(self, day: str) -> set[str]:
        """The jobs that the silo began to take part in, and those that it may begin with any moment."""
        return {uid for uid, job in self.jobs.items() if job.begun == day or job.undecided}

    def about(self, job: str, day: str) -> Usage:
        """What matters for one job on one day."""
        others = {
            uid: used.model_copy(
                update={"runs": {}, "bytes_up": {day: used.bytes_up[day]} if day in used.bytes_up else {}}
            )
            for uid, used in self.jobs.items()
            if uid != job and (used.begun == day or used.undecided or day in used.bytes_up)
        }
        return Usage(jobs=others | ({job: self.jobs[job]} if job in self.jobs else {}))

    def count(self, entry: Mapping[str, Any]) -> None:
        """Adds an entry of an audit log."""
        uid, at = entry.get("job"), entry.get("time")
        if not isinstance(uid, str) or not isinstance(at, int | float):
            return
        job = self.jobs.setdefault(uid, JobUsage())
        job.until = max(job.until, at)
        if entry.get("decision") == "allowed":
            _count(job, entry, day_of(at))


def _count(job: JobUsage, entry: Mapping[str, Any], day: str) -> None:
    subject = entry.get("subject")
    if subject == "invitation":
        job.begun = job.begun or day
    elif subject == "work":
        asked = str(entry.get("asked") or entry.get("work"))  # older entries have the work's identity alone
        if asked != job.last_work:  # a worker that was killed does its work again
            shard = str(entry.get("shard"))
            job.runs[shard] = job.runs.get(shard, 0) + 1
            job.last_work = asked
    elif subject == "result":
        job.bytes_up[day] = job.bytes_up.get(day, 0) + int(entry.get("bytes") or 0)


def day_of(seconds: float) -> str:
    """The day (UTC) of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


class Ledger:
    """What a silo's audit log says that jobs have taken; what other processes append is seen at the next look.

    Args:
        log: The audit log; it may not be there yet.
        earlier: A `Usage` as JSON of what other logs of the silo say, where its workers have logs of their own. What
            it has counted already is not counted again.
    """

    def __init__(self, log: Path, earlier: Path | None = None) -> None:
        self._log = log
        self._offset = 0
        self._usage = _read(earlier)
        self._counted = {uid: job.until for uid, job in self._usage.jobs.items()}

    def usage(self) -> Usage:
        """As it is now."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # it is being written
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
            _LOG.warning("a line of the audit log cannot be read", log=str(self._log))


def _read(path: Path | None) -> Usage:
    """What is known of other logs; where that cannot be read, nothing."""
    if path is None or not path.exists():
        return Usage()
    try:
        return Usage.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        _LOG.error("what was used earlier cannot be read; it does not count", file=str(path), error=str(error))
        return Usage()
