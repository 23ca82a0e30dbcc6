"""Finds out why a Job has no pod. The Job controller reports it in events only."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from fedjobs_api import times
from fedjobs_api.times import Time

from fedjobs_operator.cluster.kubernetes_api import KubernetesApi
from fedjobs_operator.planning import ownership
from fedjobs_operator.planning.conditions import PATIENCE

Body = Mapping[str, Any]


def is_overdue(job: Body, pods: list[Body], now: Time) -> bool:
    """Returns whether a Job has no pod although it should have one by now."""
    if ownership.pod_of(job, pods):
        return False
    if job.get("spec", {}).get("suspend") or job.get("status", {}).get("conditions"):
        return False
    return now >= times.read(job["metadata"]["creationTimestamp"]) + PATIENCE


def words(api: KubernetesApi, job: Body) -> str:
    """Returns the error of the last failed pod creation. Empty if there is none. Blocks."""
    metadata = job["metadata"]
    fields = f"involvedObject.uid={metadata['uid']},reason=FailedCreate"
    events = api.all("Event", metadata["namespace"], fields=fields)
    return str(max(events, key=_last)["message"]) if events else ""


def _last(event: Body) -> datetime.datetime:
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return times.read(at)
