"""What the cluster does not let be made, told in the job's status: nobody who runs a job reads the operator's log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import FederatedJobStatus, JobPhase
from fedjobs_operator.planning import conditions, endings
from fedjobs_operator.planning.conditions import Verdict
from fedjobs_operator.reasons import Reason
from fedjobs_operator.times import Time

_REMEDY = "It is tried again, in a minute at the latest."


def told(body: Mapping[str, Any], words: str, now: Time) -> FederatedJobStatus:
    """The status of a job of which an object was refused.

    A coordinator that runs needs nothing new to go on, and a job that is over nothing at all: they stay as they are.

    Args:
        body: The FederatedJob.
        words: Which object, and the API server's reason.
        now: The time.
    """
    before = FederatedJobStatus.model_validate(body.get("status", {}))
    if endings.is_over(before) or conditions.is_true(before, JobCondition.COORDINATOR_READY):
        return before
    generation = int(body["metadata"]["generation"])
    verdict = Verdict(False, Reason.OBJECT_REFUSED, f"{words.rstrip('.')}. {_REMEDY}")
    found = conditions.carried_on(before, {JobCondition.COORDINATOR_READY: verdict}, generation, now)
    update = {"phase": before.phase or JobPhase.PENDING, "conditions": found, "observed_generation": generation}
    return before.model_copy(update=update)
