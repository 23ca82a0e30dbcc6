"""Conditions from one look at a job to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedjobs_operator import times
from fedjobs_operator.api.conditions import Condition, JobCondition
from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.times import Time

_LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Verdict:
    """What is so now."""

    is_true: bool | None
    """None: it cannot be known."""
    reason: str
    message: str = ""


Verdicts = Mapping[JobCondition, Verdict]


def carried_on(before: FederatedJobStatus, now: Verdicts, generation: int, time: Time) -> list[Condition]:
    """All conditions; one of which nothing is said any more stays as it was, and a changed one has a new time."""
    old = {condition.type: condition for condition in before.conditions or ()}
    new = {str(kind): _condition(str(kind), verdict, generation, time) for kind, verdict in now.items()}
    for kind, condition in new.items():
        earlier = old.get(kind)
        if earlier is not None and earlier.status == condition.status:
            new[kind] = condition.model_copy(update={"last_transition_time": earlier.last_transition_time})
    return [new.get(kind) or old[kind] for kind in [str(k) for k in JobCondition] if kind in new or kind in old]


def is_true(status: FederatedJobStatus, kind: JobCondition) -> bool:
    """Whether a condition holds, as far as the status says."""
    return any(condition.type == kind and condition.status == "True" for condition in status.conditions or ())


def reason(status: FederatedJobStatus, kind: JobCondition) -> str:
    """The reason of a condition; empty where there is none of that type."""
    return next((condition.reason for condition in status.conditions or () if condition.type == kind), "")


def _condition(kind: str, verdict: Verdict, generation: int, time: Time) -> Condition:
    return Condition(
        type=kind,
        status="Unknown" if verdict.is_true is None else ("True" if verdict.is_true else "False"),
        observed_generation=generation,
        last_transition_time=times.written(time),
        reason=verdict.reason,
        message=verdict.message[:_LONGEST_MESSAGE],
    )
