"""The observed state of a job on the cluster. Kubernetes objects are converted once to the values that plans need."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from fedjobs_api import times
from fedjobs_api.conditions import Reason
from fedjobs_api.coordinators import CONTAINER
from fedjobs_api.names import QUEUE, JobRef
from fedjobs_api.times import Time
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import FinalWord, Status
from pydantic import ValidationError

from fedjobs_operator.planning import coordinator_words, ownership

Body = Mapping[str, Any]


class AttemptState(enum.Enum):
    RUNNING = "running"
    """It has a pod or waits for one. A suspended attempt is in this state too."""
    COMPLETE = "complete"
    FAILED_FOR_GOOD = "failed for good"
    """The coordinator failed permanently: another attempt would not help."""
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
    """Why the container is waiting: ImagePullBackOff, for example."""
    unschedulable: str = ""
    """The scheduler's message if no node fits."""
    message: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    """OOMKilled, Error or Evicted, for example."""
    final_word: FinalWord | None = None
    deleted_at: Time | None = None
    """The deletion timestamp. The pod exists until its node reports that it has terminated."""
    ended: bool = False
    ended_at: Time | None = None
    """When the container terminated, if known."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of the coordinator: a Job, and its newest known pod."""

    number: int
    state: AttemptState
    uid: str = ""
    """UID of the Job."""
    suspended: bool = False
    queued: bool = False
    """Whether a queue decides when it runs."""
    deleting: bool = False
    """Whether its Job was deleted. The Job exists until its pod has terminated."""
    ended_at: Time | None = None
    message: str = ""
    pod: CoordinatorPod | None = None
    pod_refused: str = ""
    """The cluster's message if it rejects the pod, because of a quota or Pod Security, for example."""


@dataclass(frozen=True)
class KnownSilo:
    """The parts of a Silo object that matter for jobs."""

    name: str
    labels: Mapping[str, str]
    suspended: bool = False
    datasets: tuple[str, ...] | None = None
    """The datasets that the silo offers. None if it does not disclose them."""


@dataclass(frozen=True)
class Observed:
    """Everything that a plan for a job depends on."""

    silos: tuple[KnownSilo, ...] = ()
    resolved: ResolvedJob | None = None
    """The resolved job, if the job was resolved before."""
    attempts: tuple[Attempt, ...] = ()
    """The attempts, ordered by number."""
    claim_phase: str = ""
    """Pending, Bound or Lost. Empty if there is no claim."""
    claimed_at: Time | None = None
    """When the claim was created."""
    trust: str = ""
    """The issuers of the hub's certificate, as PEM. Empty if the hub has not published them yet."""
    report: Status | None = None
    """The coordinator's last report."""
    connection_error: str = ""
    """Why the operator cannot connect to the coordinator, after several attempts. Empty if it can."""
    refused: str = ""
    """Which object of this plan could not be created, and why. Empty if none."""
    refused_for: Reason = Reason.OBJECT_REJECTED
    """The reason for that."""
    status: Body = field(default_factory=dict)
    """The status of the FederatedJob, as last written."""


def attempts(
    ref: JobRef, jobs: Iterable[Body], pods: Sequence[Body], refused: Mapping[str, str] = MappingProxyType({})
) -> tuple[Attempt, ...]:
    """Returns the attempts of a job, each with its newest pod.

    Args:
        ref: The job.
        jobs: The Jobs of its attempts (see `ownership.known_jobs`).
        pods: Pods. Those of other Jobs are ignored.
        refused: Why the cluster rejects a pod, by the name of its Job.
    """
    found = [
        replace(_attempt(ref, job, _newest(job, pods)), pod_refused=refused.get(job["metadata"]["name"], ""))
        for job in jobs
    ]
    return tuple(sorted(found, key=lambda attempt: attempt.number))


def ended_without_pod(ref: JobRef, jobs: Iterable[Body], pods: Iterable[Body]) -> list[str]:
    """Returns the names of the Jobs that have finished but have no known terminated pod."""
    ended = [pod for pod in pods if pod.get("status", {}).get("phase") in _POD_ENDS]
    without = (job for job in jobs if not ownership.pod_of(job, ended))
    return [job["metadata"]["name"] for job in without if _attempt(ref, job, None).ended_at is not None]


def silo(body: Body) -> KnownSilo:
    """Returns the parts of a Silo object that matter for jobs."""
    datasets = body.get("status", {}).get("datasets")
    return KnownSilo(
        name=body["metadata"]["name"],
        labels=body["metadata"].get("labels", {}),
        suspended=bool(body.get("spec", {}).get("suspend", False)),
        datasets=None if datasets is None else tuple(datasets),
    )


def _newest(job: Body, pods: Iterable[Body]) -> Body | None:
    own = ownership.pod_of(job, pods)
    return max(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def _attempt(ref: JobRef, job: Body, pod: Body | None) -> Attempt:
    status = job.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ()) if c["status"] == "True"}
    deleting = "deletionTimestamp" in job["metadata"]
    seen = None if pod is None else _pod(pod)
    state, ended_at, message = AttemptState.RUNNING, None, ""
    if complete := conditions.get("Complete"):
        state, ended_at = AttemptState.COMPLETE, times.read(complete["lastTransitionTime"])
    elif failed := conditions.get("Failed"):
        for_good = failed.get("reason") == "PodFailurePolicy"
        if for_good or not deleting:  # a pod that terminates because its Job was deleted did not crash
            state = AttemptState.FAILED_FOR_GOOD if for_good else AttemptState.CRASHED
            ended_at, message = times.read(failed["lastTransitionTime"]), failed.get("message", "")
    return Attempt(
        number=ref.number(job["metadata"]["name"]) or 0,
        state=state,
        uid=job["metadata"]["uid"],
        suspended=bool(job.get("spec", {}).get("suspend", False)),
        queued=QUEUE in job["metadata"].get("labels", {}),
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
        return coordinator_words.checked(FinalWord.model_validate_json(message)) if message else None
    except ValidationError:
        return None  # a message of the kernel, the kubelet or another version
