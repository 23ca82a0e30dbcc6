"""With which silos an invocation begins: a pure decision about who is there and who consented."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort

from fedjobs_coordinator.sessions.consents import Standing


@dataclass(frozen=True)
class Presence:
    """Where the silos are.

    Attributes:
        invited: How many.
        ready: Can be given work, sorted.
        awaited: A round waits for them, or they are ready anyway.
        declined: Do not take part in this job.
        refused: Have refused this computation when it was given to them.
    """

    invited: int
    ready: Sequence[SiloName]
    awaited: Collection[SiloName]
    declined: Collection[SiloName] = ()
    refused: Collection[SiloName] = ()


@dataclass(frozen=True)
class Begin:
    """It begins.

    Attributes:
        silos: With these.
        without: Those that it waited for in vain.
    """

    silos: list[SiloName]
    without: frozenset[SiloName] = frozenset()


@dataclass(frozen=True)
class Wait:
    """Not yet.

    Attributes:
        message: For whom.
        for_people: Enough silos are there, and it cannot begin before people of some have approved the computation.
    """

    message: str
    for_people: bool = False


@dataclass(frozen=True)
class TooFew:
    """It cannot begin.

    Attributes:
        silos: Those that would take part.
    """

    silos: list[SiloName]


Cohort: TypeAlias = Begin | Wait | TooFew


def decide(
    presence: Presence, standing: Standing, wanted: ResolvedCohort, *, late: bool, patient: bool = False
) -> Cohort:
    """Whether to begin.

    All that were invited and have not said no, or, after the round's deadline, as many as there must be at least. Where
    people have to approve the computation first, and without their silos there are too few, that takes as long as these
    silos say that it may.

    Args:
        presence: Where the silos are.
        standing: What they said to the computation.
        wanted: How many there must be.
        late: Whether the round's deadline has passed.
        patient: Whether silos that are away even then may come back: a short while ago it waited for people.
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
    return f"; {', '.join(sorted(awaiting))} {'has' if len(awaiting) == 1 else 'have'} to approve the computation"
