"""Decides with which silos an invocation starts: a pure function of the silos' presence and consents.

The silos of a cohort run all stages of the invocation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fedjobs_common import digests
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort

from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.sessions.consents import Standing


@dataclass(frozen=True)
class Presence:
    """The presence of the silos.

    Attributes:
        invited: The number of invited silos.
        ready: The silos that can get work, sorted.
        awaited: The silos that are ready or that a round waits for.
        declined: The silos that do not take part in this job.
        refused: The silos that cannot take part in this invocation, because they refused or failed.
        resting: The silos that are asked again later, because the cause of their failure can pass.
    """

    invited: int
    ready: Sequence[SiloName]
    awaited: Collection[SiloName]
    declined: Collection[SiloName] = ()
    refused: Collection[SiloName] = ()
    resting: Mapping[SiloName, Failure] = field(default_factory=dict)


@dataclass(frozen=True)
class Begin:
    """The invocation starts.

    Attributes:
        silos: The silos of the cohort, sorted.
        without: The silos whose consent it waited for in vain.
        left_out: The silos that were ready and not sampled.
    """

    silos: list[SiloName]
    without: frozenset[SiloName] = frozenset()
    left_out: frozenset[SiloName] = frozenset()


@dataclass(frozen=True)
class Wait:
    """The invocation waits.

    Attributes:
        message: What it waits for.
        ready: The silos that would take part.
    """

    message: str
    ready: tuple[SiloName, ...] = ()


@dataclass(frozen=True)
class TooFew:
    """The invocation can never start, because too many silos have declined or refused, or failed with its inputs.

    Attributes:
        silos: The silos that would take part.
    """

    silos: list[SiloName]


Cohort: TypeAlias = Begin | Wait | TooFew


def decide(presence: Presence, standing: Standing, wanted: ResolvedCohort, *, late: bool, seed: str = "") -> Cohort:
    """Decides whether an invocation starts.

    It starts when `goal_silos` silos are ready and consent, or after the round's deadline with at least `min_silos`. If
    more silos are ready than the goal, it samples. As long as enough silos could still take part, it waits.

    Args:
        presence: The presence of the silos.
        standing: The silos' answers to the computation.
        wanted: The required numbers of silos.
        late: Whether the round's deadline has passed.
        seed: The seed of the sample. The same seed and silos give the same sample.
    """
    refused = standing.refused.union(presence.refused)
    there = [silo for silo in presence.ready if silo not in refused]
    ready = [silo for silo in there if silo in standing.consented and silo not in presence.resting]
    awaiting = standing.awaiting.intersection(there)
    willing = presence.invited - len(refused.union(presence.declined))
    goal = min(wanted.goal_silos, len(set(presence.awaited) - refused - standing.passed_over - set(presence.resting)))
    if len(ready) >= (wanted.min_silos if late else max(wanted.min_silos, goal)):
        chosen = sample(ready, max(wanted.min_silos, wanted.goal_silos), seed)
        without = frozenset(there).difference(ready, presence.resting) if late else frozenset()
        return Begin(chosen, without, frozenset(ready).difference(chosen))
    if willing < wanted.min_silos:
        return TooFew(ready)
    resting = {silo: failure for silo, failure in presence.resting.items() if silo in there}
    message = f"{len(ready)} of {willing} silos are ready" + _whose_people(awaiting) + _later(resting)
    return Wait(message, tuple(ready))


def sample(silos: Sequence[SiloName], count: int, seed: str) -> list[SiloName]:
    """Returns `count` of the silos, sorted. If one silo is missing, the sample differs in one silo only."""
    ordered = sorted(silos, key=lambda silo: digests.digest(f"{seed}/{silo}".encode()))
    return sorted(ordered[:count])


def _whose_people(awaiting: Collection[SiloName]) -> str:
    if not awaiting:
        return ""
    return f"; {', '.join(sorted(awaiting))} must approve the computation"


def _later(resting: Mapping[SiloName, Failure]) -> str:
    told = [f"; {silo} is asked again later ({f.reason}: {f.message})" for silo, f in sorted(resting.items())]
    return "".join(told)
