"""The outcomes of the silos' work in one stage, shared by the event loop and the program's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fedjobs_common.ids import SiloName


@dataclass(frozen=True)
class Report:
    """A silo's report of a work item.

    Attributes:
        silo: The name of the silo.
        clients: The number of local clients in the accumulators. 0 means no accumulators.
        device: The device that was used.
        digest: The digest of the framed accumulators, in hex.
        path: The file with the accumulators. None without clients.
    """

    silo: SiloName
    clients: int
    device: str
    digest: str
    path: Path | None


@dataclass(frozen=True)
class Failure:
    """A silo's work failed or was refused.

    Attributes:
        reason: An error code, or a rule of the silo's policy.
        message: A message for people.
        final: Whether the silo will not run this work later either.
    """

    reason: str
    message: str
    final: bool = False


Outcome: TypeAlias = Report | Failure


class RoundOutcomes:
    """Collects the outcomes of one stage."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._outcomes: dict[SiloName, Outcome] = {}

    def put(self, silo: SiloName, outcome: Outcome) -> None:
        """Adds an outcome. The first one of a silo counts."""
        with self._condition:
            self._outcomes.setdefault(silo, outcome)
            self._condition.notify_all()

    def wait(self, count: int, until: float, now: Callable[[], float], stopped: Callable[[], bool]) -> None:
        """Waits for `count` outcomes, the time `until`, or until `stopped` returns True."""
        with self._condition:
            while len(self._outcomes) < count and now() < until and not stopped():
                self._condition.wait(min(1.0, max(0.0, until - now())))

    def received(self) -> dict[SiloName, Outcome]:
        """Returns the outcomes so far."""
        with self._condition:
            return dict(self._outcomes)
