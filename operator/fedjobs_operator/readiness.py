"""Why a coordinator is ready, or is not: what a person would look for in pods, events and claims, in one condition."""

from __future__ import annotations

import datetime

from fedjobs_operator.conditions import Verdict
from fedjobs_operator.observations import Attempt, AttemptState, CoordinatorPod, Observed, Time
from fedjobs_operator.reasons import Reason

_PULLING = frozenset({"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ErrImageNotFound"})
_CANNOT_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
PATIENCE = datetime.timedelta(seconds=15)
"""Claims and pods wait for a moment as a rule; only after that it is worth telling."""
_NODE_PATIENCE = datetime.timedelta(seconds=60)


def coordinator_ready(observed: Observed, attempt: Attempt | None, now: Time) -> Verdict:
    """The verdict on the coordinator of an attempt; None where it has no Job yet."""
    pod = None if attempt is None else attempt.pod
    if attempt is not None and attempt.state is AttemptState.CRASHED:
        return crashed(attempt)
    if pod is not None and pod.ready:
        return Verdict(True, Reason.LISTENING, f"Pod {pod.name} listens.")
    if _waits_for_storage(observed, attempt) and observed.claimed_at and now >= observed.claimed_at + PATIENCE:
        message = (
            "The coordinator's claim is not bound yet. If it stays so, correct"
            " spec.coordinator.storage.storageClassName, or free or add storage of that class."
        )
        return Verdict(False, Reason.STORAGE_NOT_BOUND, message)
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


def node_lost(attempt: Attempt | None, now: Time) -> Verdict:
    """Whether a pod that was deleted has not been seen to end: then it may still run, and there is no second one."""
    pod, at = None if attempt is None else attempt.pod, node_is_lost_at(attempt)
    if pod is None or at is None or now < at:
        return Verdict(False, Reason.LISTENING)
    message = (
        f"Node {pod.node} does not say that pod {pod.name} ended, so no other coordinator is started. Once the node is"
        f" surely off: kubectl taint node {pod.node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )
    return Verdict(True, Reason.NODE_DOES_NOT_ANSWER, message)


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


def _starting(pod: CoordinatorPod, now: Time) -> Verdict:
    if pod.unschedulable and pod.created_at is not None and now >= pod.created_at + PATIENCE:
        message = f"No node fits: {pod.unschedulable} See spec.coordinator.resources, nodeSelector and tolerations."
        return Verdict(False, Reason.UNSCHEDULABLE, message)
    if pod.waiting in _PULLING:
        message = f"{pod.waiting}: {pod.message} Correct the operator's coordinator image, or let the nodes pull it."
        return Verdict(False, Reason.IMAGE_CANNOT_BE_PULLED, message)
    if pod.waiting in _CANNOT_START:
        message = f"{pod.waiting}: {pod.message} Make what it names, in the job's namespace."
        return Verdict(False, Reason.CONTAINER_CANNOT_START, message)
    return Verdict(False, Reason.POD_STARTING, f"Pod {pod.name} is starting.")
