"""Kubernetes events of a job, which `kubectl describe` shows: one for each condition that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedjobs_api import times
from fedjobs_api.conditions import Condition, JobCondition, Reason
from fedjobs_api.names import API_VERSION, FIELD_MANAGER, KIND, JobRef
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_api.times import Time

_QUIET = frozenset({Reason.POD_STARTING, Reason.JOB_FINISHED})
_TROUBLE = frozenset(
    {
        Reason.OUT_OF_MEMORY,
        Reason.CRASHED,
        Reason.IMAGE_PULL_BACK_OFF,
        Reason.CREATE_CONTAINER_ERROR,
        Reason.UNSCHEDULABLE,
        Reason.CLAIM_NOT_BOUND,
        Reason.HUB_UNAVAILABLE,
        Reason.STORAGE_FAILED,
        Reason.START_FAILED,
        Reason.COORDINATOR_UNREACHABLE,
        Reason.OBJECT_REJECTED,
        Reason.FAILED_CREATE,
        Reason.INVALID_SPEC,
        Reason.SILOS_NOT_FOUND,
        Reason.DATASET_NOT_OFFERED,
        Reason.NAMESPACE_NOT_ALLOWED,
    }
)
_BAD = frozenset({JobCondition.FAILED, JobCondition.NODE_LOST, JobCondition.SPEC_CHANGED})


@dataclass(frozen=True)
class Announcement:
    """An event to post."""

    is_warning: bool
    reason: str
    message: str


def announcements(before: FederatedJobStatus, after: FederatedJobStatus) -> list[Announcement]:
    """Returns the events for the conditions that changed between two statuses."""
    old = {c.type: (c.status, c.reason) for c in before.conditions or ()}
    changed = [c for c in after.conditions or () if old.get(c.type) != (c.status, c.reason) and c.reason not in _QUIET]
    return [Announcement(_is_bad(c), c.reason, f"{c.type}: {c.message}" if c.message else c.type) for c in changed]


def event(ref: JobRef, announcement: Announcement, now: Time, suffix: str) -> dict[str, Any]:
    """Returns the manifest of an event. The suffix makes its name unique."""
    time = times.written(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name}.{suffix}", "namespace": ref.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": ref.uid,
        },
        "type": "Warning" if announcement.is_warning else "Normal",
        "reason": announcement.reason,
        "message": announcement.message,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def _is_bad(condition: Condition) -> bool:
    return condition.reason in _TROUBLE or (condition.type in _BAD and condition.status == "True")
