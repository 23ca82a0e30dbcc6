"""Decides with which silos an invocation starts: a pure function of the silos' presence and consents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort

from fedjobs_coordinator.sessions.consents import Standing


@dataclass(frozen=True)
class Presence:
    """The presence of the silos.

    Attributes:
        invited: The number of invited silos.
        ready: The silos that can get work, sorted.
        awaited: The silos that are ready or that a round waits for.
        declined: The silos that do not take part in this job.
        refused: The silos that refused this computation when they got it as work.
    """

    invited: int
    ready: Sequence[SiloName]
    awaited: Collection[SiloName]
    declined: Collection[SiloName] = ()
    refused: Collection[SiloName] = ()


@dataclass(frozen=True)
class Begin:
    """The invocation starts.

    Attributes:
        silos: The silos of the cohort.
        without: The silos whose consent it waited for in vain.
    """

    silos: list[SiloName]
    without: frozenset[SiloName] = frozenset()


@dataclass(frozen=True)
class Wait:
    """The invocation waits.

    Attributes:
        message: What it waits for.
        for_people: Whether enough silos are present, but people of some must approve the computation first.
    """

    message: str
    for_people: bool = False


@dataclass(frozen=True)
class TooFew:
    """The invocation cannot start.

    Attributes:
        silos: The silos that would take part.
    """

    silos: list[SiloName]


Cohort: TypeAlias = Begin | Wait | TooFew


def decide(
    presence: Presence, standing: Standing, wanted: ResolvedCohort, *, late: bool, patient: bool = False
) -> Cohort:
    """Decides whether an invocation starts.

    It starts when `goal_silos` silos are ready and consent, or after the round's deadline with at least `min_silos`. If
    there are too few silos without those whose people must approve the computation first, it waits as long as these
    silos allow.

    Args:
        presence: The presence of the silos.
        standing: The silos' answers to the computation.
        wanted: The required numbers of silos.
        late: Whether the round's deadline has passed.
        patient: Whether to wait for absent silos even after the deadline, because it recently waited for people.
    """
    refused = standing.refused.union(presence.refused)
    there = [silo for silo in presence.ready if silo not in refused]
    ready = [silo for silo in there if silo in standing.consented]
    awaiting = standing.awaiting.intersection(there)
    willing = presence.invited - len(refused.union(presence.declined))
    goal = min(wanted.goal_silos, len(set(presence.awaited) - refused - standing.passed_over))
    if len(ready) >= (wanted.min_silos if late else max(wanted.min_silos, goal)):
        return Begin(ready, frozenset(there).difference(ready) if late else frozenset())
    possible = len(ready) + len(awaiting) >= wanted.min_silos
    if willing < wanted.min_silos or (late and not patient and not possible):
        return TooFew(ready)
    message = f"{len(ready)} of {willing} silos are ready" + _whose_people(awaiting)
    return Wait(message, for_people=possible and len(ready) < wanted.min_silos)


def _whose_people(awaiting: Collection[SiloName]) -> str:
    if not awaiting:
        return ""
    return f"; {', '.join(sorted(awaiting))} must approve the computation"
