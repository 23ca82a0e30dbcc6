"""The silos that the federation excludes from a job."""

from __future__ import annotations

from collections.abc import Iterable

from fedjobs_common.ids import SiloName
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.sessions.roster import Roster


class ExcludedSilos:
    """Keeps the excluded silos. Used in the event loop only.

    Args:
        roster: Receives excluded and readmitted silos.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._excluded: dict[SiloName, Exclusion] = {}

    def replace(self, exclusions: Iterable[Exclusion]) -> list[SiloName]:
        """Replaces the list of excluded silos. Returns the newly excluded silos."""
        before = self._excluded
        self._excluded = {name: e for e in exclusions if (name := SiloName(e.silo)) in self._roster}
        for silo in before.keys() - self._excluded.keys():
            self._roster.readmit(silo)
        for silo, exclusion in self._excluded.items():
            self._roster.exclude(silo, exclusion.code.label, exclusion.message)
        return [silo for silo in self._excluded if silo not in before]

    def check(self, silo: SiloName) -> None:
        """Checks that a silo is not excluded.

        Raises:
            FedjobsError: SILO_SUSPENDED or SILO_NOT_FOUND.
        """
        if exclusion := self._excluded.get(silo):
            raise exclusion.error()

    def failure(self, silo: SiloName) -> Failure | None:
        """Returns the outcome of work that is assigned to an excluded silo. None if it is not excluded."""
        exclusion = self._excluded.get(silo)
        return None if exclusion is None else Failure(exclusion.code.label, exclusion.message)
