"""Computes a job's conditions, and carries them over from the previous status."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from fedjobs_api import times
from fedjobs_api.conditions import Condition, JobCondition, Reason
from fedjobs_api.coordinators import CANNOT_START, STORAGE_FAILED, SUSPENDED
from fedjobs_api.names import SESSION_PORT, TRUST
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_api.times import Time

from fedjobs_operator.planning.observations import Attempt, AttemptState, CoordinatorPod, Observed

_LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Verdict:
    """The current value of a condition."""

    is_true: bool | None
    """None means Unknown."""
    reason: str
    message: str = ""


Verdicts = Mapping[JobCondition, Verdict]


def carried_on(before: FederatedJobStatus, now: Verdicts, generation: int, time: Time) -> list[Condition]:
    """Merges new verdicts into the conditions of a status.

    A condition without a new verdict stays unchanged. A condition whose status changes gets a new transition time.
    """
    old = {condition.type: condition for condition in before.conditions or ()}
    new = {str(kind): _condition(str(kind), verdict, generation, time) for kind, verdict in now.items()}
    for kind, condition in new.items():
        earlier = old.get(kind)
        if earlier is not None and earlier.status == condition.status:
            new[kind] = condition.model_copy(update={"last_transition_time": earlier.last_transition_time})
    return [new.get(kind) or old[kind] for kind in [str(k) for k in JobCondition] if kind in new or kind in old]


def is_true(status: FederatedJobStatus, kind: JobCondition) -> bool:
    """Returns whether a condition is True in the status."""
    return any(condition.type == kind and condition.status == "True" for condition in status.conditions or ())


def reason(status: FederatedJobStatus, kind: JobCondition) -> str:
    """Returns the reason of a condition. Empty if the status has no condition of that type."""
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
"""Claims and pods are usually pending for a moment. A condition reports it only after this time."""
_AGAIN = frozenset({CANNOT_START, STORAGE_FAILED, SUSPENDED})
"""Exit codes after which the Job itself creates a new pod, with increasing delays."""
_NODE_PATIENCE = datetime.timedelta(seconds=60)


def coordinator_ready(observed: Observed, attempt: Attempt | None, now: Time) -> Verdict:
    """Returns the verdict on the coordinator. `attempt` is None if its Job does not exist yet."""
    pod = None if attempt is None else attempt.pod
    if attempt is not None and attempt.state is AttemptState.CRASHED:
        return crashed(attempt)
    if attempt is not None and attempt.deleting:
        message = "The coordinator's Job is being deleted. A new Job is created when its pod has terminated."
        return Verdict(False, Reason.POD_STARTING, message)
    if pod is not None and pod.ended:
        return _ended(pod)
    if pod is not None and pod.ready and observed.connection_error:
        message = (
            f"Pod {pod.name} is ready, but the operator cannot connect to it: {observed.connection_error} Check whether"
            f" a NetworkPolicy blocks connections from the operator to port {SESSION_PORT} of the pod."
        )
        return Verdict(None, Reason.COORDINATOR_UNREACHABLE, message)
    if pod is not None and pod.ready:
        return Verdict(True, Reason.LISTENING, f"Pod {pod.name} is ready.")
    if pod is None and attempt is not None and attempt.pod_refused:
        message = f"The cluster rejects the coordinator's pod: {attempt.pod_refused}"
        return Verdict(False, Reason.FAILED_CREATE, message)
    if _waits_for_storage(observed, attempt) and observed.claimed_at and now >= observed.claimed_at + PATIENCE:
        message = (
            "The coordinator's claim is not bound yet. If it stays unbound, correct"
            " spec.coordinator.storage.storageClassName, or free or add storage of that class."
        )
        return Verdict(False, Reason.CLAIM_NOT_BOUND, message)
    if pod is None:
        return Verdict(False, Reason.POD_STARTING, "The coordinator's pod does not exist yet.")
    return _starting(pod, now)


def crashed(attempt: Attempt) -> Verdict:
    """Returns the verdict that describes how an attempt crashed."""
    pod = attempt.pod
    if pod is None or pod.exit_code is None:
        return Verdict(
            False, Reason.CRASHED, f"Attempt {attempt.number} failed: {attempt.message or 'its pod was deleted.'}"
        )
    if pod.exit_reason == "OOMKilled":
        message = f"Attempt {attempt.number} ran out of memory. Raise spec.coordinator.resources.limits.memory."
        return Verdict(False, Reason.OUT_OF_MEMORY, message)
    word = f" {pod.final_word.message}" if pod.final_word is not None else ""
    return Verdict(False, Reason.CRASHED, f"Attempt {attempt.number} exited with code {pod.exit_code}.{word}")


def job_speaks_until(pod: CoordinatorPod | None) -> Time | None:
    """Returns until when to wait for the Job to report the outcome of its terminated pod. None if it is known."""
    if pod is None or not pod.ended or pod.exit_code in _AGAIN:
        return None
    since = pod.ended_at or pod.created_at
    return None if since is None else since + PATIENCE


def hub_unavailable(namespace: str) -> Verdict:
    """Returns the verdict for a coordinator that cannot get a certificate yet."""
    message = (
        f"The hub has not published its certificates yet (ConfigMap {TRUST} in namespace {namespace})."
        " Check the hub's pods in that namespace."
    )
    return Verdict(False, Reason.HUB_UNAVAILABLE, message)


def node_lost(attempt: Attempt | None, now: Time) -> Verdict:
    """Returns whether the node of a deleted pod does not report that the pod has terminated.

    Such a pod may still run, so no second coordinator is started.
    """
    pod, at = None if attempt is None else attempt.pod, node_is_lost_at(attempt)
    if pod is None or at is None or now < at:
        return Verdict(False, Reason.LISTENING)
    message = (
        f"Node {pod.node} does not report that pod {pod.name} has terminated, so no other coordinator is started. If"
        f" the node is off, run: kubectl taint node {pod.node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )
    return Verdict(True, Reason.NODE_UNREACHABLE, message)


def node_is_lost_at(attempt: Attempt | None) -> Time | None:
    """Returns when NodeLost becomes True for a deleted pod. None if the pod was not deleted or has terminated."""
    pod = None if attempt is None else attempt.pod
    return None if pod is None or pod.deleted_at is None or pod.ended else pod.deleted_at + _NODE_PATIENCE


def _waits_for_storage(observed: Observed, attempt: Attempt | None) -> bool:
    """Returns whether the claim is what the coordinator waits for.

    A claim with the binding mode WaitForFirstConsumer waits for the pod's node. Then the scheduler's message tells the
    cause.
    """
    if observed.claim_phase != "Pending" or (attempt is not None and attempt.suspended):
        return False
    pod = None if attempt is None else attempt.pod
    return pod is None or (not pod.node and (not pod.unschedulable or "volume" in pod.unschedulable.lower()))


def _ended(pod: CoordinatorPod) -> Verdict:
    """Returns the verdict for a terminated pod. The Job creates another pod, or reports why not."""
    said = pod.final_word.message.rstrip(".") if pod.final_word is not None else f"Pod {pod.name} ended"
    if pod.exit_code == STORAGE_FAILED:
        how = "It is retried with increasing delays. The computed result is kept."
        return Verdict(False, Reason.STORAGE_FAILED, f"{said}. {how}")
    if pod.exit_code == CANNOT_START:
        return Verdict(False, Reason.START_FAILED, f"{said}. It is retried with increasing delays.")
    return Verdict(False, Reason.POD_STARTING, f"Pod {pod.name} terminated. Its Job creates a new pod, or fails.")


def _starting(pod: CoordinatorPod, now: Time) -> Verdict:
    if pod.unschedulable and pod.created_at is not None and now >= pod.created_at + PATIENCE:
        message = (
            f"No node fits the coordinator's pod: {pod.unschedulable}"
            " Check spec.coordinator.resources, nodeSelector and tolerations."
        )
        return Verdict(False, Reason.UNSCHEDULABLE, message)
    if pod.waiting in _PULLING:
        message = (
            f"{pod.waiting}: {pod.message}"
            " Correct the coordinator image in the operator's settings, or give the nodes access to it."
        )
        return Verdict(False, Reason.IMAGE_PULL_BACK_OFF, message)
    if pod.waiting in _CANNOT_START:
        message = f"{pod.waiting}: {pod.message} Create the missing object in the job's namespace."
        return Verdict(False, Reason.CREATE_CONTAINER_ERROR, message)
    return Verdict(False, Reason.POD_STARTING, f"Pod {pod.name} is starting.")
