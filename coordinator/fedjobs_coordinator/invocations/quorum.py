"""Decides which silos' reports are in the result of a stage, and whether they are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedjobs_common.ids import SiloName

from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report, Retry
from fedjobs_coordinator.sessions.refusals import NO_CLIENTS
from fedjobs_coordinator.sessions.roster import ROUND_DEADLINE

Members = Mapping[SiloName, int]
"""The silos of an invocation after its first stage, each with the number of its clients."""


@dataclass(frozen=True)
class Contributions:
    """The silos' contributions to a stage.

    Attributes:
        reports: The reports with clients, by silo.
        failures: Why the other silos do not contribute.
    """

    reports: dict[SiloName, Report]
    failures: dict[SiloName, Failure]


def contributions(
    asked: list[SiloName], outcomes: Mapping[SiloName, Outcome], members: Members | None
) -> Contributions:
    """Sorts the outcomes of a stage.

    A silo without clients does not contribute: it does not hide another silo's update in a sum.

    Args:
        asked: The silos that got work.
        outcomes: The outcomes that have arrived.
        members: The silos that contributed to the first stage. None in the first stage.
    """
    found = Contributions({}, {})
    for silo in asked:
        outcome = outcomes.get(silo)
        if isinstance(outcome, Failure):
            found.failures[silo] = outcome
        elif outcome is None:
            found.failures[silo] = Failure(ROUND_DEADLINE, f"silo {silo} made no progress before the deadline.")
        elif not outcome.clients:
            message = f"silo {silo} has no clients for this computation."
            found.failures[silo] = Failure(NO_CLIENTS, message, Retry.OTHER_INPUTS)
        elif members is not None and outcome.clients != members[silo]:
            message = f"silo {silo} had {members[silo]} clients in the first stage, and now has {outcome.clients}."
            # A report is kept, so the silo has the same numbers if it is asked again in this invocation.
            found.failures[silo] = Failure("ClientsChanged", message, Retry.OTHER_INPUTS)
        else:
            found.reports[silo] = outcome
    return found


def needed(asked: int, min_silos: int, members: Members | None, *, given: bool) -> int:
    """Returns how many silos must contribute to a stage.

    Args:
        asked: The number of silos that got work.
        min_silos: The job's `minSilos`.
        members: The silos that contributed to the first stage. All of them must contribute to each later stage,
            because its values come from the first one. None in the first stage.
        given: Whether the program itself gives the clients' values. Then fewer silos are asked if there are fewer
            clients.
    """
    if members is not None:
        return len(members)
    return min(min_silos, asked) if given else min_silos
