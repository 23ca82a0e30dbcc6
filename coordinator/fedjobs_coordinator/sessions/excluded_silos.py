"""The silos that the federation lets take no part in a job for now."""

from __future__ import annotations

from collections.abc import Iterable

from fedjobs_common.ids import SiloName
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.sessions.roster import Roster


class ExcludedSilos:
    """Used in the event loop only.

    Args:
        roster: Is told who is out, and who is back.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._excluded: dict[SiloName, Exclusion] = {}

    def replace(self, exclusions: Iterable[Exclusion]) -> list[SiloName]:
        """From now on it is these, and no others; returns those that it was not before."""
        before = self._excluded
        self._excluded = {name: e for e in exclusions if (name := SiloName(e.silo)) in self._roster}
        for silo in before.keys() - self._excluded.keys():
            self._roster.readmit(silo)
        for silo, exclusion in self._excluded.items():
            self._roster.exclude(silo, exclusion.code.label, exclusion.message)
        return [silo for silo in self._excluded if silo not in before]

    def check(self, silo: SiloName) -> None:
        """Makes sure that a silo may take part.

        Raises:
            FedjobsError: SILO_SUSPENDED or SILO_UNKNOWN.
        """
        if exclusion := self._excluded.get(silo):
            raise exclusion.error()

    def failure(self, silo: SiloName) -> Failure | None:
        """What becomes of the work of an excluded silo."""
        exclusion = self._excluded.get(silo)
        return None if exclusion is None else Failure(exclusion.code.label, exclusion.message)
