"""Writes the coordinator's status: `status.json`, which is replaced, and `progress.jsonl`, which is appended to.

A process keeps the rounds and the computation of the status of its predecessor, so that a resumed job does not seem to
start over.

A change of one silo is appended to `progress.jsonl` at once. It is in `status.json` after the next `refresh`, because
writing the states of all silos for each change would stall the sessions of a job with many silos.
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

from fedjobs_coordinator.sessions.allowances import Allowance
from fedjobs_coordinator.sessions.roster import Roster

_MOST_MESSAGES, _MESSAGE_EVERY_S = 100, 10.0
"""Of one phase: how many are told at once, and after what time one more. Silos cause them, by being ready or not."""
_LOG = structlog.get_logger()


class Progress:
    """Keeps both files. Thread-safe.

    Args:
        directory: The coordinator's folder.
        job: The resolved job.
        generation: The generation of this process.
    """

    def __init__(self, directory: Path, job: ResolvedJob, generation: Generation) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._events_lock = threading.Lock()  # the sessions' loop does not wait for a thread that writes the status
        self._status = _taken_over(directory / "status.json", job, generation)
        self._computation_known = False
        self._listeners: list[Callable[[ProgressEvent], object]] = []
        self._roster: Roster | None = None
        self._round_began = time.time()
        self._seconds: list[float] = []
        self._bytes = (0, 0)
        self._events = directory / "progress.jsonl"
        self._messages = Allowance(_MOST_MESSAGES, _MESSAGE_EVERY_S)
        self._end_torn_line()

    @property
    def status(self) -> Status:
        """The current status."""
        return self._status

    def subscribe(self, listener: Callable[[ProgressEvent], object]) -> None:
        """Calls a listener with each event from now on, in the thread of the event. The listener must be fast."""
        self._listeners.append(listener)

    def follow(self, roster: Roster) -> None:
        """Takes the states of silos from this roster from now on."""
        self._roster = roster

    def phase(self, phase: Phase, message: str = "", code: str = "") -> None:
        """Records a change of the phase."""
        with self._lock:
            if (self._status.phase, self._status.message) == (phase, message):
                return
            same = self._status.phase == phase
            self._update(phase=phase, message=message, code=code)
            if not same or self._messages.take(time.monotonic()):
                with self._events_lock:
                    self._append(PhaseEvent(time=time.time(), phase=phase, message=message))

    def complete(self, result: ResultLocation) -> None:
        """Records that the job is complete and its result was exported."""
        with self._lock:
            self._update(phase=Phase.COMPLETE, message="", code="", result=result)
            with self._events_lock:
                self._append(PhaseEvent(time=time.time(), phase=Phase.COMPLETE))

    def computation(self, shards: Sequence[Digest]) -> None:
        """Records the shards that silos are asked to run. The first invocation of a process counts."""
        with self._lock:
            if not self._computation_known:
                self._computation_known = True
                self._update(computation=_digest_of(shards))

    @property
    def current_round(self) -> int:
        """The current round. 0 outside of rounds."""
        status = self._status
        return status.round + 1 if status.phase is Phase.RUNNING and status.round < status.rounds else 0

    def rounds(self, done: int, total: int) -> None:
        """Records the number of rounds that are done, and the total number."""
        with self._lock:
            self._round_began = time.time()
            self._update(round=done, rounds=total)

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None:
        """Records a finished round whose state is durable."""
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
            with self._events_lock:
                self._append(event)
            self._update(round=number, metrics=metrics, seconds_left=left)

    def silo(self, silo: SiloName, state: SiloState, reason: str, message: str) -> None:
        """Records a change of a silo's state. It costs one line, independent of the number of silos."""
        event = SiloEvent(time=time.time(), silo=silo, state=state, reason=reason, message=message)
        with self._events_lock:
            self._append(event)

    def refresh(self) -> None:
        """Writes the current states of the silos."""
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
        """Ends the partial line of a process that died while writing, so that the next line is intact."""
        if self._events.exists() and not self._events.read_bytes().endswith(b"\n"):
            with self._events.open("a") as file:
                file.write("\n")


@contextmanager
def logged_when_unwritten() -> Iterator[None]:
    """Logs an error in writing the status instead of raising it, so that a full disk does not affect the caller."""
    try:
        yield
    except (FedjobsError, OSError) as error:
        _LOG.warning("the status could not be written", error=str(error))


def _taken_over(path: Path, job: ResolvedJob, generation: Generation) -> Status:
    """Returns the status at the start, with the rounds and the computation of the previous process, if any."""
    fresh = Status(job_uid=job.uid, job_name=job.name, phase=Phase.STARTING, generation=generation)
    try:
        before = Status.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return fresh
    if before.job_uid != job.uid:
        return fresh
    kept = ("round", "rounds", "metrics", "computation")
    return fresh.model_copy(update={name: getattr(before, name) for name in kept})


def _digest_of(shards: Sequence[Digest]) -> Digest:
    """Returns the digest of a single shard, which silo policies approve, or the digest of the shards' digests."""
    return shards[0] if len(shards) == 1 else digests.digest(*map(digests.raw, shards))
