"""Reads the status and progress files of a coordinator from another process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from fedjobs_common.jobs.statuses import PhaseEvent, ProgressEvent, RoundEvent, SiloEvent, Status
from pydantic import Field, TypeAdapter, ValidationError

_EVENTS: TypeAdapter[ProgressEvent] = TypeAdapter(
    Annotated[RoundEvent | SiloEvent | PhaseEvent, Field(discriminator="event")]
)


class Follower:
    """Reads `status.json` and `progress.jsonl` as they change. Never blocks.

    Args:
        coordinator: The coordinator's folder, which may not exist yet.
        from_now: Whether to skip what an earlier start of the same run wrote.
    """

    def __init__(self, coordinator: Path, *, from_now: bool = False) -> None:
        self._status = coordinator / "status.json"
        self._progress = coordinator / "progress.jsonl"
        self._seen: tuple[int, int, int] | None = None
        self._offset = 0
        if from_now:
            self.status()
            self.events()

    def status(self) -> Status | None:
        """Returns the status if it changed since the last call, else None."""
        try:
            with self._status.open("rb") as file:
                about = os.fstat(file.fileno())
                mark = (about.st_ino, about.st_mtime_ns, about.st_size)
                if mark == self._seen:
                    return None
                content = file.read()
        except FileNotFoundError:
            return None
        self._seen = mark
        try:
            return Status.model_validate_json(content)
        except ValidationError:
            return None  # written by a newer version with an incompatible format

    def events(self) -> list[ProgressEvent]:
        """Returns the events since the last call. An incomplete line is left for a later call."""
        try:
            with self._progress.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # the file was replaced
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]


def read_status(coordinator: Path) -> Status | None:
    """Returns the last status of a run, or None if there is none."""
    return Follower(coordinator).status()


def read_events(coordinator: Path) -> list[ProgressEvent]:
    """Returns all events of a run so far, including those of its earlier starts."""
    return Follower(coordinator).events()


def _event(line: bytes) -> ProgressEvent | None:
    try:
        return _EVENTS.validate_json(line)
    except ValidationError:
        return None  # an incomplete line before a crash, or an event of a newer version
