"""What the coordinator tells of itself: `status.json`, replaced as a whole, and `progress.jsonl`, appended to."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from fedjobs_protocol.files import full_disk_named, write_atomically
from fedjobs_protocol.ids import Epoch, SiloName
from fedjobs_protocol.jobs import ResolvedJob
from fedjobs_protocol.models import Model
from fedjobs_protocol.statuses import Phase, PhaseEvent, ProgressEvent, RoundEvent, SiloEvent, SiloState, Status

from fedjobs_coordinator.roster import Roster


class Progress:
    """Keeps both files. Thread-safe.

    Args:
        directory: The coordinator's folder.
        job: Whose.
        epoch: Of this process.
    """

    def __init__(self, directory: Path, job: ResolvedJob, epoch: Epoch) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._status = Status(job_uid=job.uid, job_name=job.name, phase=Phase.STARTING, epoch=epoch)
        self._roster: Roster | None = None
        self._round_began = time.time()
        self._seconds: list[float] = []
        self._bytes = (0, 0)
        self._events = directory / "progress.jsonl"
        self._end_torn_line()

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
        write_atomically(self._directory / "status.json", _json(self._status).encode())

    def _append(self, event: ProgressEvent) -> None:
        with full_disk_named(self._events), self._events.open("a") as file:
            file.write(_json(event) + "\n")

    def _end_torn_line(self) -> None:
        """A process that died while it wrote a line must not spoil the next one as well."""
        if self._events.exists() and not self._events.read_bytes().endswith(b"\n"):
            with self._events.open("a") as file:
                file.write("\n")


def _json(model: Model) -> str:
    """As JSON with NaN and Infinity, which metrics may be: pydantic's own would write null, and not read it again."""
    return json.dumps(model.model_dump(mode="json", by_alias=True))
