"""What the coordinator tells of itself: `status.json`, replaced as a whole, and `progress.jsonl`, appended to.

A process goes on with what the one before it told of rounds and of the computation: a job that is resumed does not seem
to begin anew.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from fedjobs_common import digests
from fedjobs_common.errors import FedjobsError
from fedjobs_common.files import full_disk_named, write_atomically
from fedjobs_common.ids import Digest, Generation, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import (
    Phase,
    PhaseEvent,
    ProgressEvent,
    ResultLocation,
    RoundEvent,
    SiloEvent,
    SiloState,
    Status,
)
from pydantic import ValidationError

from fedjobs_coordinator.sessions.roster import Roster

_LOG = structlog.get_logger()


class Progress:
    """Keeps both files. Thread-safe.

    Args:
        directory: The coordinator's folder.
        job: Whose.
        generation: Of this process.
    """

    def __init__(self, directory: Path, job: ResolvedJob, generation: Generation) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._status = _taken_over(directory / "status.json", job, generation)
        self._computation_known = False
        self._listeners: list[Callable[[ProgressEvent], object]] = []
        self._roster: Roster | None = None
        self._round_began = time.time()
        self._seconds: list[float] = []
        self._bytes = (0, 0)
        self._events = directory / "progress.jsonl"
        self._end_torn_line()

    @property
    def status(self) -> Status:
        """As it is now."""
        return self._status

    def subscribe(self, listener: Callable[[ProgressEvent], object]) -> None:
        """Calls this with each event from now on, in whichever thread it happens; it must not take long."""
        self._listeners.append(listener)

    def follow(self, roster: Roster) -> None:
        """The silos' rows are this roster's from now on."""
        self._roster = roster

    def phase(self, phase: Phase, message: str = "", code: str = "") -> None:
        """The job is in another phase."""
        with self._lock:
            if (self._status.phase, self._status.message) == (phase, message):
                return
            self._update(phase=phase, message=message, code=code)
            self._append(PhaseEvent(time=time.time(), phase=phase, message=message))

    def complete(self, result: ResultLocation) -> None:
        """The job is complete, and its result where it is to be."""
        with self._lock:
            self._update(phase=Phase.COMPLETE, message="", code="", result=result)
            self._append(PhaseEvent(time=time.time(), phase=Phase.COMPLETE))

    def computation(self, shards: Sequence[Digest]) -> None:
        """Silos are asked to run these shards; the first invocation of a process counts."""
        with self._lock:
            if not self._computation_known:
                self._computation_known = True
                self._update(computation=_digest_of(shards))

    @property
    def current_round(self) -> int:
        """The round that is being worked on; 0: none."""
        status = self._status
        return status.round + 1 if status.phase is Phase.RUNNING and status.round < status.rounds else 0

    def rounds(self, done: int, total: int) -> None:
        """So many rounds are to be done, and were done before this process."""
        with self._lock:
            self._round_began = time.time()
            self._update(round=done, rounds=total)

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None:
        """A round is over, and its state durable."""
        with self._lock:
            now = time.time()
            self._seconds.append(now - self._round_began)
            down, up = self._transferred()
            event = RoundEvent(
                time=now,
                round=number,
                seconds=self._seconds[-1],
                silos=list(silos),
                bytes_down=down - self._bytes[0],
                bytes_up=up - self._bytes[1],
                metrics=metrics,
            )
            self._round_began, self._bytes = now, (down, up)
            left = max(0, self._status.rounds - number) * sorted(self._seconds)[len(self._seconds) // 2]
            self._append(event)
            self._update(round=number, metrics=metrics, seconds_left=left)

    def silo(self, silo: SiloName, state: SiloState, reason: str, message: str) -> None:
        """A silo's state changed."""
        with self._lock:
            self._append(SiloEvent(time=time.time(), silo=silo, state=state, reason=reason, message=message))
            self._update()

    def refresh(self) -> None:
        """Writes the silos' rows as they are now."""
        with self._lock:
            self._update()

    def _transferred(self) -> tuple[int, int]:
        rows = self._roster.rows() if self._roster else []
        return sum(r.bytes_down for r in rows), sum(r.bytes_up for r in rows)

    def _update(self, **changes: Any) -> None:
        silos = self._roster.rows() if self._roster else []
        self._status = self._status.model_copy(update=changes | {"silos": silos})
        write_atomically(self._directory / "status.json", self._status.to_json())

    def _append(self, event: ProgressEvent) -> None:
        with full_disk_named(self._events), self._events.open("a") as file:
            file.write(json.dumps(event.model_dump(mode="json", by_alias=True)) + "\n")
        for listener in self._listeners:
            listener(event)

    def _end_torn_line(self) -> None:
        """A process that died while it wrote a line must not spoil the next one as well."""
        if self._events.exists() and not self._events.read_bytes().endswith(b"\n"):
            with self._events.open("a") as file:
                file.write("\n")


@contextmanager
def logged_when_unwritten() -> Iterator[None]:
    """For what goes on, or ends as it was going to, also where the disk is full: the log has what was not written."""
    try:
        yield
    except (FedjobsError, OSError) as error:
        _LOG.warning("the status could not be written", error=str(error))


def _taken_over(path: Path, job: ResolvedJob, generation: Generation) -> Status:
    """The status at the start: with the rounds and the computation of the process before, where there was one."""
    fresh = Status(job_uid=job.uid, job_name=job.name, phase=Phase.STARTING, epoch=generation)
    try:
        before = Status.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return fresh
    if before.job_uid != job.uid:
        return fresh
    kept = ("round", "rounds", "metrics", "computation")
    return fresh.model_copy(update={name: getattr(before, name) for name in kept})


def _digest_of(shards: Sequence[Digest]) -> Digest:
    """One shard's own digest, which is what a silo's policy approves; of several the digest of their digests."""
    return shards[0] if len(shards) == 1 else digests.digest(*map(digests.raw, shards))
