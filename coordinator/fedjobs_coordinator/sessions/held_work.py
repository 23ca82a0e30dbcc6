"""Holds work back from silos whose last report could not be stored, for example on a full disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedjobs_common.ids import SiloName

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass
class HeldWork:
    """Keeps the time until which each silo's work is held back. The time doubles with each failure in a row."""

    _until: dict[SiloName, tuple[float, float]] = field(default_factory=dict)
    """For each silo the time, and how long it was held back."""

    def hold(self, silo: SiloName, now: float) -> None:
        """Holds the silo's work back for a while."""
        seconds = min(LONGEST_S, 2 * self._until[silo][1]) if silo in self._until else FIRST_S
        self._until[silo] = now + seconds, seconds

    def released(self, silo: SiloName) -> None:
        """Ends the wait, because the silo gets other work."""
        self._until.pop(silo, None)

    def seconds(self, silo: SiloName, now: float) -> float:
        """Returns for how many more seconds the silo's work is held back. 0 if it is not."""
        return max(0.0, self._until[silo][0] - now) if silo in self._until else 0.0
