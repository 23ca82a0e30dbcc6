"""The outcomes of the silos' work in one stage, shared by the event loop and the program's thread."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fedjobs_common.ids import SiloName

_MOST_DOUBLINGS = 4
_LONGEST_WAIT_S = 1.0  # between checks of `stopped`, which a signal handler sets


class Retry(enum.Enum):
    """When a silo is asked again after a failure or a refusal."""

    NEVER = "never"
    """The silo does not run this shard in this job."""
    OTHER_INPUTS = "other inputs"
    """The silo would fail again with the same inputs. A later invocation asks it again."""
    LATER = "later"
    """The cause can pass. The silo is asked again after a while."""


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
        retry: When the silo is asked again.
    """

    reason: str
    message: str
    retry: Retry = Retry.LATER


Outcome: TypeAlias = Report | Failure


def patience_of(deadline: float, attempt: int) -> float:
    """Returns how long a silo may make no progress, in seconds. It doubles with each attempt of an invocation.

    Args:
        deadline: The round's deadline, in seconds.
        attempt: The number of the attempt, starting at 1.
    """
    return deadline * float(2 ** min(attempt - 1, _MOST_DOUBLINGS))


def in_time(
    unfinished: Iterable[SiloName], progress: Mapping[SiloName, float], started: float, now: float, patience: float
) -> dict[SiloName, float]:
    """Returns the silos whose work is waited for, and how many seconds each of them has left.

    Args:
        unfinished: The silos without an outcome.
        progress: When a silo last made progress.
        started: When the work was assigned.
        now: The current time.
        patience: How long a silo may make no progress, in seconds.
    """
    left = {silo: max(started, progress.get(silo, started)) + patience - now for silo in unfinished}
    return {silo: seconds for silo, seconds in left.items() if seconds > 0}


class RoundOutcomes:
    """Collects the outcomes of one stage."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._outcomes: dict[SiloName, Outcome] = {}
        self._progress: dict[SiloName, float] = {}

    def put(self, silo: SiloName, outcome: Outcome) -> None:
        """Adds an outcome. The first one of a silo counts."""
        with self._condition:
            self._outcomes.setdefault(silo, outcome)
            self._condition.notify_all()

    def progressed(self, silo: SiloName, at: float) -> None:
        """Records that a silo's work made progress at this time."""
        with self._condition:
            self._progress[silo] = at

    def wait(
        self, silos: Iterable[SiloName], patience: float, now: Callable[[], float], stopped: Callable[[], bool]
    ) -> None:
        """Waits until each silo has an outcome or has made no progress for too long, or until `stopped` returns True.

        Args:
            silos: The silos that work.
            patience: How long a silo may make no progress, in seconds.
            now: The clock of `progressed`.
            stopped: Whether to stop waiting.
        """
        silos, started = list(silos), now()
        with self._condition:
            while not stopped():
                unfinished = [silo for silo in silos if silo not in self._outcomes]
                left = in_time(unfinished, self._progress, started, now(), patience)
                if not left:
                    return
                self._condition.wait(min(_LONGEST_WAIT_S, max(left.values())))

    def received(self) -> dict[SiloName, Outcome]:
        """Returns the outcomes so far."""
        with self._condition:
            return dict(self._outcomes)
