"""What became of the silos' work in one stage: where the event loop and the program's thread meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fedjobs_common.ids import SiloName


@dataclass(frozen=True)
class Report:
    """What one silo said of one piece of work.

    Attributes:
        silo: Whose.
        clients: Local clients in the accumulators; 0: there are none.
        device: That was used.
        seconds: That the runner took.
        digest: Of the framed accumulators, hex.
        path: The file with them; None without clients.
    """

    silo: SiloName
    clients: int
    device: str
    seconds: float
    digest: str
    path: Path | None


@dataclass(frozen=True)
class Failure:
    """A silo's part is missing.

    Attributes:
        reason: Error code, or the rule of the silo's policy.
        message: For a person.
        final: The silo will not take part any more.
    """

    reason: str
    message: str
    final: bool = False


Outcome: TypeAlias = Report | Failure


class RoundOutcomes:
    """Outcomes of one stage, as they come in."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._outcomes: dict[SiloName, Outcome] = {}

    def put(self, silo: SiloName, outcome: Outcome) -> None:
        """An outcome came; the first one of a silo counts."""
        with self._condition:
            self._outcomes.setdefault(silo, outcome)
            self._condition.notify_all()

    def wait(self, count: int, until: float, now: Callable[[], float], stopped: Callable[[], bool]) -> None:
        """Returns when so many outcomes are in, at the time `until`, or when `stopped` says so."""
        with self._condition:
            while len(self._outcomes) < count and now() < until and not stopped():
                self._condition.wait(min(1.0, max(0.0, until - now())))

    def received(self) -> dict[SiloName, Outcome]:
        """What is in."""
        with self._condition:
            return dict(self._outcomes)
