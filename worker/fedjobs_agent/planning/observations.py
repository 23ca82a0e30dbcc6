"""The parts of workers' Jobs and pods that an agent's decisions depend on."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from fedjobs_worker import termination_message
from fedjobs_worker.termination_message import LastWord

from fedjobs_agent.planning.names import GPU, INVITATION_ID, JOB_UID

SESSION = "session"
"""The container that determines when the worker ends."""
AUDIT = "audit"
"""The container that prints the worker's audit log."""
NOT_STARTED = "its containers have not started"
_ON_THE_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})
_SAME = {"ErrImagePull": "ImagePullBackOff"}  # a pod alternates between them


@dataclass(frozen=True)
class Worker:
    """The Job of a worker.

    Attributes:
        name: The name of the Job.
        uid: The uid of the Job.
        invitation_id: The ID of the worker's invitation.
        gpu: Whether the worker requests a GPU.
        finished_at: When the Job finished, in seconds since 1970, or None.
        succeeded: Whether the worker ended by itself with a termination message.
        ending: Whether the Job is being deleted.
    """

    name: str
    uid: str
    invitation_id: str
    gpu: bool = False
    finished_at: float | None = None
    succeeded: bool = False
    ending: bool = False


@dataclass(frozen=True)
class WorkerPod:
    """A pod of a worker.

    Attributes:
        job_uid: The uid of its Job.
        unschedulable_since: When the scheduler first found no node, or None if it found one or has not tried.
        unschedulable_message: The scheduler's message.
        last_word: The last termination message of the session.
        spoke_at: The time of that message, in seconds since 1970.
        gone_by: When the pod should be gone if it is being deleted, or None.
        unstarted: Why the session does not run, as a message for the federation. Empty if it runs or has ended.
    """

    job_uid: str
    unschedulable_since: float | None = None
    unschedulable_message: str = ""
    last_word: LastWord | None = None
    spoke_at: float | None = None
    gone_by: float | None = None
    unstarted: str = ""


def worker_of(job: dict[str, Any]) -> Worker:
    """Returns the worker of a Job."""
    metadata, status = job["metadata"], job.get("status") or {}
    annotations = metadata.get("annotations") or {}
    ends = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    end = ends.get("Complete") or ends.get("Failed")
    return Worker(
        name=metadata["name"],
        uid=metadata["uid"],
        invitation_id=annotations.get(INVITATION_ID, ""),
        gpu=annotations.get(GPU) == "true",
        finished_at=_seconds(end.get("lastTransitionTime")) or 0.0 if end else None,
        succeeded="Complete" in ends,
        ending="deletionTimestamp" in metadata,
    )


def made_of(job: dict[str, Any]) -> tuple[str, float]:
    """Returns the uid of the federated job of a worker's Job, and the Job's creation time in seconds since 1970."""
    metadata = job["metadata"]
    return metadata["labels"][JOB_UID], _seconds(metadata["creationTimestamp"]) or 0.0


def pod_of(pod: dict[str, Any]) -> WorkerPod:
    """Returns the pod of a worker."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    owner = next((o["uid"] for o in metadata.get("ownerReferences") or () if o.get("controller")), "")
    scheduled: dict[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "PodScheduled"), {})
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    sessions = [c for c in status.get("containerStatuses") or () if c["name"] == SESSION]
    states = [c.get(state) or {} for c in sessions for state in ("state", "lastState")]
    ended: dict[str, Any] = next((state["terminated"] for state in states if "terminated" in state), {})
    return WorkerPod(
        job_uid=owner,
        unschedulable_since=_seconds(scheduled.get("lastTransitionTime")) if unschedulable else None,
        unschedulable_message=str(scheduled.get("message", "")) if unschedulable else "",
        last_word=termination_message.parse(ended.get("message") or ""),
        spoke_at=_seconds(ended.get("finishedAt")),
        gone_by=_seconds(metadata.get("deletionTimestamp")),
        unstarted=_unstarted(status, scheduled if unschedulable else {}),
    )


def _unstarted(status: dict[str, Any], unschedulable: dict[str, Any]) -> str:
    """Returns the kubelet's reason or the scheduler's message.

    The kubelet's message is omitted, because it may contain registries and paths that only the silo should see.
    """
    if status.get("phase") in ("Succeeded", "Failed"):
        return ""
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    states = {each["name"]: each.get("state") or {} for each in containers}
    if {"running", "terminated"} & set(states.get(SESSION) or {}):
        return ""
    for name, state in states.items():
        reason = (state.get("waiting") or {}).get("reason") or ""
        if reason not in _ON_THE_WAY:
            return f"{_SAME.get(reason, reason)} in its container {name}"
    return f"{unschedulable['reason']}: {unschedulable.get('message', '')}" if unschedulable else NOT_STARTED


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.datetime.fromisoformat(timestamp).timestamp()
