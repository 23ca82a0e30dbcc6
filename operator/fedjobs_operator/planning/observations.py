"""What is there of a job on the cluster, read once from Kubernetes' objects into values that decisions are made of."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import FinalWord, Status
from pydantic import ValidationError

from fedjobs_operator import times
from fedjobs_operator.children.coordinator_jobs import CONTAINER
from fedjobs_operator.names import ATTEMPT, QUEUE
from fedjobs_operator.times import Time

"""Always with a time zone, UTC."""
Body = Mapping[str, Any]


class AttemptState(enum.Enum):
    RUNNING = "running"
    """It has a pod, or will have one; a suspended one too."""
    COMPLETE = "complete"
    FAILED_FOR_GOOD = "failed for good"
    """The coordinator says that no other attempt would help."""
    CRASHED = "crashed"


_POD_ENDS = ("Succeeded", "Failed")


@dataclass(frozen=True)
class CoordinatorPod:
    """A pod of a coordinator."""

    name: str
    node: str = ""
    created_at: Time | None = None
    ready: bool = False
    waiting: str = ""
    """Reason why its container does not run: ImagePullBackOff ..."""
    unschedulable: str = ""
    """The scheduler's words, where no node fits."""
    message: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    """OOMKilled, Error, Evicted ..."""
    final_word: FinalWord | None = None
    deleted_at: Time | None = None
    """When its grace is over; it is still there as long as its node has not said that it ended."""
    ended: bool = False
    ended_at: Time | None = None
    """When its container ended, where that is known."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of the coordinator: a Job, and the newest of its pods that is known."""

    number: int
    state: AttemptState
    suspended: bool = False
    queued: bool = False
    """A queue says when it may run."""
    deleting: bool = False
    """Somebody deleted its Job, which is there until its pod has ended."""
    ended_at: Time | None = None
    message: str = ""
    pod: CoordinatorPod | None = None
    pod_refused: str = ""
    """The cluster's words, where it does not let the pod be made: a quota, Pod Security."""


@dataclass(frozen=True)
class KnownSilo:
    """A Silo object."""

    name: str
    labels: Mapping[str, str]
    suspended: bool = False
    datasets: tuple[str, ...] | None = None
    """What it says that it offers; None: it does not say."""


@dataclass(frozen=True)
class Observed:
    """Everything that a decision about a job may depend on."""

    silos: tuple[KnownSilo, ...] = ()
    resolved: ResolvedJob | None = None
    """What was resolved once, where it was."""
    attempts: tuple[Attempt, ...] = ()
    """In the order of their numbers."""
    claim_phase: str = ""
    """Pending, Bound, Lost; empty: there is none."""
    claimed_at: Time | None = None
    """When the claim was made."""
    trust: str = ""
    """PEM, the issuers of the hub's certificate; empty: the hub has not said them yet."""
    report: Status | None = None
    """The coordinator's own words, as far as the operator has heard them."""
    not_heard: str = ""
    """Why the operator cannot hear the coordinator, after it has tried for a while."""
    status: Body = field(default_factory=dict)
    """Of the FederatedJob, as it was written last."""


def attempts(
    jobs: Iterable[Body], pods: Iterable[Body], refused: Mapping[str, str] = MappingProxyType({})
) -> tuple[Attempt, ...]:
    """The attempts of a job, each with its newest pod.

    Args:
        jobs: Kubernetes Jobs.
        pods: Their pods.
        refused: Why the cluster does not let a pod be made, by the name of its Job.
    """
    newest: dict[str, Body] = {}
    for pod in sorted(pods, key=lambda p: str(p["metadata"].get("creationTimestamp", ""))):
        newest[pod["metadata"].get("labels", {}).get(ATTEMPT, "")] = pod
    found = [
        replace(
            _attempt(job, newest.get(job["metadata"].get("labels", {}).get(ATTEMPT, ""))),
            pod_refused=refused.get(job["metadata"]["name"], ""),
        )
        for job in jobs
    ]
    return tuple(sorted(found, key=lambda attempt: attempt.number))


def ended_without_pod(jobs: Iterable[Body], pods: Iterable[Body]) -> list[str]:
    """Names of the Jobs that have ended, and of which no pod is known to have ended."""
    ended = (pod for pod in pods if pod.get("status", {}).get("phase") in _POD_ENDS)
    with_pod = {pod["metadata"].get("labels", {}).get(ATTEMPT) for pod in ended}
    without = (job for job in jobs if job["metadata"].get("labels", {}).get(ATTEMPT) not in with_pod)
    return [job["metadata"]["name"] for job in without if _attempt(job, None).ended_at is not None]


def silo(body: Body) -> KnownSilo:
    """A Silo object as it matters for jobs."""
    datasets = body.get("status", {}).get("datasets")
    return KnownSilo(
        name=body["metadata"]["name"],
        labels=body["metadata"].get("labels", {}),
        suspended=bool(body.get("spec", {}).get("suspend", False)),
        datasets=None if datasets is None else tuple(datasets),
    )


def _attempt(job: Body, pod: Body | None) -> Attempt:
    status = job.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ()) if c["status"] == "True"}
    deleting = "deletionTimestamp" in job["metadata"]
    seen = None if pod is None else _pod(pod)
    state, ended_at, message = AttemptState.RUNNING, None, ""
    if complete := conditions.get("Complete"):
        state, ended_at = AttemptState.COMPLETE, times.read(complete["lastTransitionTime"])
    elif failed := conditions.get("Failed"):
        for_good = failed.get("reason") == "PodFailurePolicy"
        if for_good or not deleting:  # that a pod ended because its Job was deleted is no crash
            state = AttemptState.FAILED_FOR_GOOD if for_good else AttemptState.CRASHED
            ended_at, message = times.read(failed["lastTransitionTime"]), failed.get("message", "")
    return Attempt(
        number=int(job["metadata"]["labels"][ATTEMPT]),
        state=state,
        suspended=bool(job.get("spec", {}).get("suspend", False)),
        queued=QUEUE in job["metadata"]["labels"],
        deleting=deleting,
        ended_at=ended_at,
        message=message,
        pod=seen,
    )


def _pod(pod: Body) -> CoordinatorPod:
    metadata, status = pod["metadata"], pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    container: Body = next((c for c in status.get("containerStatuses", ()) if c["name"] == CONTAINER), {})
    state = container.get("state", {})
    ended, waiting = state.get("terminated", {}), state.get("waiting", {})
    scheduled = conditions.get("PodScheduled", {})
    deleted = metadata.get("deletionTimestamp")
    return CoordinatorPod(
        name=metadata["name"],
        created_at=times.read(metadata["creationTimestamp"]),
        node=pod.get("spec", {}).get("nodeName", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        waiting=waiting.get("reason", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        message=waiting.get("message", "") or status.get("message", ""),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", "") or status.get("reason", ""),
        final_word=_final_word(ended.get("message", "")),
        deleted_at=None if deleted is None else times.read(deleted),
        ended=status.get("phase") in _POD_ENDS,
        ended_at=times.read(ended["finishedAt"]) if ended.get("finishedAt") else None,
    )


def _final_word(message: str) -> FinalWord | None:
    try:
        return FinalWord.model_validate_json(message) if message else None
    except ValidationError:
        return None  # the kernel's or the kubelet's words, or those of another version
