"""What becomes of a job that is over: it is kept, until its time to live has passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_operator import times
from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import FederatedJobStatus
from fedjobs_operator.planning import conditions, deadlines
from fedjobs_operator.planning.decisions import Plan
from fedjobs_operator.times import Time


def kept(body: Mapping[str, Any], before: FederatedJobStatus, now: Time) -> Plan:
    """The plan for it, which needs nothing but the object itself.

    Args:
        body: The FederatedJob.
        before: Its status.
        now: The time.
    """
    completed = times.read(before.completion_time or times.written(now))
    status = before.model_copy(update={"observed_generation": int(body["metadata"]["generation"])})
    if _takes_something_along(body["spec"], before):
        return Plan(status)
    until = deadlines.is_deleted_at(body["spec"].get("ttlSecondsAfterFinished"), completed)
    is_due = until is not None and now >= until
    return Plan(status, delete_job=is_due, look_again=None if is_due else until)


def _takes_something_along(spec: Mapping[str, Any], before: FederatedJobStatus) -> bool:
    """Whether the claim would be deleted too, and may hold what is nowhere else.

    That is a result that could not be exported, or finished rounds; then a person decides, and no clock.
    """
    storage = (spec.get("coordinator") or {}).get("storage") or {}
    return conditions.is_true(before, JobCondition.FAILED) and storage.get("whenDeleted") == "Delete"
