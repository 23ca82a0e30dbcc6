"""Plans for a finished job: it is kept until its time to live has passed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from fedjobs_api import times
from fedjobs_api.conditions import JobCondition
from fedjobs_api.federated_jobs import Spec
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_api.times import Time

from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.plans import Plan


def kept(body: Mapping[str, Any], before: FederatedJobStatus, now: Time) -> Plan:
    """Returns the plan for a finished job. It depends on the object only.

    Args:
        body: The FederatedJob.
        before: Its status.
        now: The current time.
    """
    completed = times.read(before.completion_time or times.written(now))
    status = before.model_copy(update={"observed_generation": int(body["metadata"]["generation"])})
    if _takes_something_along(body["spec"], before):
        return Plan(status)
    until = is_deleted_at(body["spec"].get("ttlSecondsAfterFinished"), completed)
    is_due = until is not None and now >= until
    return Plan(status, delete_job=is_due, look_again=None if is_due else until)


def _takes_something_along(spec: Mapping[str, Any], before: FederatedJobStatus) -> bool:
    """Returns whether deleting the job would also delete a claim that may hold the only copy of its data.

    The claim of a failed job may hold finished rounds, or a result that could not be exported. The claim of a complete
    job without an output holds the result. Then a person must delete the job.
    """
    storage, output = (spec.get("coordinator") or {}).get("storage") or {}, spec.get("output") or {}
    if storage.get("whenDeleted") != "Delete":
        return False
    is_elsewhere = bool(output.get("uri") or output.get("persistentVolumeClaim"))
    return conditions.is_true(before, JobCondition.FAILED) or not is_elsewhere


def fails_at(spec: Spec, started: Time) -> Time | None:
    """Returns when the job fails if it has not finished. Resuming a job restarts the clock, as for a Kubernetes Job."""
    return _after(started, spec.active_deadline_seconds)


def is_deleted_at(seconds: int | None, completed: Time) -> Time | None:
    """Returns when a finished job is deleted. None if it is kept."""
    return _after(completed, seconds)


def _after(time: Time, seconds: int | None) -> Time | None:
    return None if seconds is None else time + datetime.timedelta(seconds=seconds)
