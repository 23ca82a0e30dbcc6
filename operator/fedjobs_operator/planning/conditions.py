"""Conditions from one look at a job to the next."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from fedjobs_api import times
from fedjobs_api.conditions import Condition, JobCondition, Reason
from fedjobs_api.coordinators import CANNOT_START, STORAGE_FAILED, SUSPENDED
from fedjobs_api.names import TRUST
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_api.times import Time

from fedjobs_operator.planning.observations import Attempt, AttemptState, CoordinatorPod, Observed

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


_PULLING = frozenset({"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ErrImageNotFound"})
_CANNOT_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
PATIENCE = datetime.timedelta(seconds=15)
"""Claims and pods wait for a moment as a rule; only after that it is worth telling."""
_AGAIN = frozenset({CANNOT_START, STORAGE_FAILED, SUSPENDED})
"""Exit codes after which the Job itself makes another pod, later each time."""
_NODE_PATIENCE = datetime.timedelta(seconds=60)


def coordinator_ready(observed: Observed, attempt: Attempt | None, now: Time) -> Verdict:
    """The verdict on the coordinator of an attempt; None where it has no Job yet."""
    pod = None if attempt is None else attempt.pod
    if attempt is not None and attempt.state is AttemptState.CRASHED:
        return crashed(attempt)
    if attempt is not None and attempt.deleting:
        message = "The coordinator's Job is being deleted; the next one is made when its pod has ended."
        return Verdict(False, Reason.POD_STARTING, message)
    if pod is not None and pod.ended:
        return _ended(pod)
    if pod is not None and pod.ready and observed.not_heard:
        message = f"Pod {pod.name} listens, and the operator cannot hear it: {observed.not_heard}"
        return Verdict(None, Reason.COORDINATOR_UNREACHABLE, message)
    if pod is not None and pod.ready:
        return Verdict(True, Reason.LISTENING, f"Pod {pod.name} listens.")
    if pod is None and attempt is not None and attempt.pod_refused:
        message = f"The cluster does not let the coordinator's pod be made: {attempt.pod_refused}"
        return Verdict(False, Reason.FAILED_CREATE, message)
    if _waits_for_storage(observed, attempt) and observed.claimed_at and now >= observed.claimed_at + PATIENCE:
        message = (
            "The coordinator's claim is not bound yet. If it stays so, correct"
            " spec.coordinator.storage.storageClassName, or free or add storage of that class."
        )
        return Verdict(False, Reason.CLAIM_NOT_BOUND, message)
    if pod is None:
        return Verdict(False, Reason.POD_STARTING, "The coordinator's pod is not there yet.")
    return _starting(pod, now)


def crashed(attempt: Attempt) -> Verdict:
    """How an attempt crashed."""
    pod = attempt.pod
    if pod is None or pod.exit_code is None:
        return Verdict(
            False, Reason.CRASHED, f"Attempt {attempt.number} ended: {attempt.message or 'its pod is gone.'}"
        )
    if pod.exit_reason == "OOMKilled":
        message = f"Attempt {attempt.number} ran out of memory. Raise spec.coordinator.resources.limits.memory."
        return Verdict(False, Reason.OUT_OF_MEMORY, message)
    word = f" {pod.final_word.message}" if pod.final_word is not None else ""
    return Verdict(False, Reason.CRASHED, f"Attempt {attempt.number} ended with exit code {pod.exit_code}.{word}")


def job_speaks_until(pod: CoordinatorPod | None) -> Time | None:
    """Until when a Job whose pod has ended is given time to say what follows; None: that is known already."""
    if pod is None or not pod.ended or pod.exit_code in _AGAIN:
        return None
    since = pod.ended_at or pod.created_at
    return None if since is None else since + PATIENCE


def hub_unavailable(namespace: str) -> Verdict:
    """A coordinator needs a certificate."""
    message = f"The hub has not said yet whom to trust (ConfigMap {TRUST} in {namespace}). Look at its pods there."
    return Verdict(False, Reason.HUB_UNAVAILABLE, message)


def node_lost(attempt: Attempt | None, now: Time) -> Verdict:
    """Whether a pod that was deleted has not been seen to end: then it may still run, and there is no second one."""
    pod, at = None if attempt is None else attempt.pod, node_is_lost_at(attempt)
    if pod is None or at is None or now < at:
        return Verdict(False, Reason.LISTENING)
    message = (
        f"Node {pod.node} does not say that pod {pod.name} ended, so no other coordinator is started. Once the node is"
        f" surely off: kubectl taint node {pod.node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )
    return Verdict(True, Reason.NODE_UNREACHABLE, message)


def node_is_lost_at(attempt: Attempt | None) -> Time | None:
    """When it is worth telling that a deleted pod has not been seen to end; None: it was not deleted, or has ended."""
    pod = None if attempt is None else attempt.pod
    return None if pod is None or pod.deleted_at is None or pod.ended else pod.deleted_at + _NODE_PATIENCE


def _waits_for_storage(observed: Observed, attempt: Attempt | None) -> bool:
    """A claim that binds when its pod has a node waits for that pod; then the scheduler knows what it is about."""
    if observed.claim_phase != "Pending" or (attempt is not None and attempt.suspended):
        return False
    pod = None if attempt is None else attempt.pod
    return pod is None or (not pod.node and (not pod.unschedulable or "volume" in pod.unschedulable.lower()))


def _ended(pod: CoordinatorPod) -> Verdict:
    """Another pod follows, or the Job says why not."""
    said = pod.final_word.message.rstrip(".") if pod.final_word is not None else f"Pod {pod.name} ended"
    if pod.exit_code == STORAGE_FAILED:
        how = "It is tried again, later each time; what was computed is kept."
        return Verdict(False, Reason.STORAGE_FAILED, f"{said}. {how}")
    if pod.exit_code == CANNOT_START:
        return Verdict(False, Reason.START_FAILED, f"{said}. It is tried again, later each time.")
    return Verdict(False, Reason.POD_STARTING, f"Pod {pod.name} ended; its Job makes another one, or says why not.")


def _starting(pod: CoordinatorPod, now: Time) -> Verdict:
    if pod.unschedulable and pod.created_at is not None and now >= pod.created_at + PATIENCE:
        message = f"No node fits: {pod.unschedulable} See spec.coordinator.resources, nodeSelector and tolerations."
        return Verdict(False, Reason.UNSCHEDULABLE, message)
    if pod.waiting in _PULLING:
        message = f"{pod.waiting}: {pod.message} Correct the operator's coordinator image, or let the nodes pull it."
        return Verdict(False, Reason.IMAGE_PULL_BACK_OFF, message)
    if pod.waiting in _CANNOT_START:
        message = f"{pod.waiting}: {pod.message} Make what it names, in the job's namespace."
        return Verdict(False, Reason.CREATE_CONTAINER_ERROR, message)
    return Verdict(False, Reason.POD_STARTING, f"Pod {pod.name} is starting.")
