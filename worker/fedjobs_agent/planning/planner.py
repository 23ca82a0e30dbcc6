"""What an agent does next: pure decisions from what stands now. Nothing is remembered but which GPUs were given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode
from fedjobs_worker.consent.policies import Decision, Refused
from fedjobs_worker.termination_message import Outcome

from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.planning import names
from fedjobs_agent.planning.observations import Worker, WorkerPod

AGAIN_AFTER_S = 10.0
"""An invitation that still stands so long after its worker ended with the job going on is meant."""
NEW_TOKEN_AFTER_S = 2.0
"""Where the hub refuses every token, workers are not made faster than that."""
LOST_AFTER_S = 60.0
"""A pod that should have been gone for so long is on a node that is lost."""
NO_GPU_FREE, NO_GPU_HERE = "no GPU was free", "this silo has no GPU"
GPU_RULE = "gpu"
CLUSTER_RULE = "cluster"
"""No rule of a policy: the silo would take part, and its cluster does not let it at the moment."""
_NO_SUCH_NODE = "didn't match Pod's node affinity/selector"
_OF_NO_USE = frozenset({ErrorCode.TOKEN_REFUSED.label, ErrorCode.WRONG_CERTIFICATE.label})
"""The second: the token was asked for with a key that the silo has no more."""


@dataclass(frozen=True)
class Judged:
    """An invitation and what the silo's policy says to it."""

    received: Received
    decision: Decision


@dataclass(frozen=True)
class Gpus:
    """What the silo says about GPUs.

    Attributes:
        offered: Its file has `runner.gpu`.
        resource_name: As the scheduler calls it.
        patience_s: How long a worker waits for one.
        given_up: Why there was none, by the ids of the invitations for which one was waited for in vain.
        labelled: Nodes that have one are found by labels of theirs.
    """

    offered: bool
    patience_s: float
    given_up: Mapping[str, str]
    resource_name: str = "nvidia.com/gpu"
    labelled: bool = False

    def are_wanting(self, message: str) -> bool:
        """Whether it is for a GPU that the scheduler finds no node.

        It does not name the resource where no node has the labels; where one has them and lacks something else, it says
        what.
        """
        return self.resource_name in message or (
            self.labelled and _NO_SUCH_NODE in message and "Insufficient" not in message
        )


@dataclass(frozen=True)
class Start:
    """Make a worker."""

    received: Received
    gpu: bool = False
    device_note: str = ""


@dataclass(frozen=True)
class End:
    """Delete a worker; `at_once`: without waiting for its pods."""

    worker: Worker
    reason: str
    at_once: bool = False


@dataclass(frozen=True)
class GiveUpGpu:
    """Delete a worker that waits for a GPU, and wait for none any more."""

    received: Received
    worker: Worker
    message: str


@dataclass(frozen=True)
class Decline:
    """Tell the coordinator that this silo does not take part."""

    received: Received
    rule: str
    message: str


Action = Start | End | GiveUpGpu | Decline


@dataclass(frozen=True)
class Plan:
    """What to do now, and in how many seconds time alone will have changed something (None: it will not)."""

    actions: Sequence[Action]
    again_in_s: float | None = None


def plan(
    invitations: Sequence[Judged],
    workers: Sequence[Worker],
    pods: Sequence[WorkerPod],
    gpus: Gpus,
    now: float,
    hindered: Mapping[str, str] | None = None,
) -> Plan:
    """The next steps.

    Args:
        invitations: All that stand.
        workers: All of this silo.
        pods: All of theirs.
        gpus: What the silo says about GPUs.
        now: Seconds since 1970.
        hindered: What has kept workers from starting for long, by the ids of their invitations.
    """
    by_name = {worker.name: worker for worker in workers}
    actions: list[Action] = []
    waits: list[float] = []
    for judged in invitations:
        invitation = judged.received.invitation
        name = names.worker(invitation.job_name, invitation.job_uid, judged.received.silo)
        worker = by_name.pop(name, None)
        of_worker = [pod for pod in pods if worker is not None and pod.job_uid == worker.uid]
        step = _lost(worker, of_worker, now) or _step(judged, worker, of_worker, gpus, now)
        if isinstance(step, float):
            waits.append(step)
        elif step is not None:
            actions.append(step)
        why = (hindered or {}).get(judged.received.id)
        if why is not None and _refusal(judged, gpus) is None:
            actions.append(Decline(judged.received, CLUSTER_RULE, why))
    for worker in by_name.values():
        step = _lost(worker, [pod for pod in pods if pod.job_uid == worker.uid], now)
        if step is None and not worker.ending:
            step = End(worker, "its invitation is gone")
        if step is not None:
            actions.append(step)
    return Plan(actions, max(0.0, min(waits)) if waits else None)


def _step(
    judged: Judged, worker: Worker | None, pods: Sequence[WorkerPod], gpus: Gpus, now: float
) -> Action | float | None:
    """What one invitation needs: an action, or seconds to wait, or nothing."""
    received = judged.received
    if refusal := _refusal(judged, gpus):
        if worker is None:
            return refusal
        return None if worker.ending else End(worker, refusal.message)
    gpu = received.invitation.gpu.mode != "Never" and gpus.offered and received.id not in gpus.given_up
    if worker is None:
        return Start(received, gpu, _note(received, gpu, gpus))
    if worker.ending:
        return None
    if worker.invitation_id != received.id:
        return End(worker, "its invitation was made again")
    if worker.finished_at is not None:
        return _after_the_end(worker, pods, now)
    if (step := _without_token(worker, pods, now)) is not None:
        return step
    return _waiting_for_gpu(received, worker, pods, gpus, now)


def _refusal(judged: Judged, gpus: Gpus) -> Decline | None:
    received, decision = judged.received, judged.decision
    if isinstance(decision, Refused):
        return Decline(received, decision.rule, decision.message)
    if received.invitation.gpu.mode != "Require":
        return None
    silo = received.silo
    if not gpus.offered:
        return Decline(received, GPU_RULE, f"The job requires a GPU, and silo {silo} has none.")
    if (why := gpus.given_up.get(received.id)) is not None:
        return Decline(received, GPU_RULE, f"The job requires a GPU, and in silo {silo} none was free: {why}")
    return None


def _note(received: Received, gpu: bool, gpus: Gpus) -> str:
    if gpu or received.invitation.gpu.mode == "Never":
        return ""
    return NO_GPU_FREE if gpus.offered else NO_GPU_HERE


def _after_the_end(worker: Worker, pods: Sequence[WorkerPod], now: float) -> Action | float | None:
    words = {pod.last_word.outcome for pod in pods if pod.last_word is not None}
    if worker.succeeded and words & {Outcome.COMPLETE, Outcome.FAILED, Outcome.DECLINED}:
        return None  # for this invitation it is over
    # Suspended, or nobody knows any more: the invitation says that the silo is wanted.
    wait = (worker.finished_at or 0) + AGAIN_AFTER_S - now
    return wait if wait > 0 else End(worker, "it ended, and its invitation still stands")


def _without_token(worker: Worker, pods: Sequence[WorkerPod], now: float) -> End | float | None:
    """A token is of use to one pod, for a while: a pod that took another's place cannot get a certificate."""
    refused = [pod.spoke_at or 0 for pod in pods if pod.last_word is not None and pod.last_word.code in _OF_NO_USE]
    if not refused:
        return None
    wait = max(refused) + NEW_TOKEN_AFTER_S - now
    return wait if wait > 0 else End(worker, "its token is of no use any more")


def waits_for_gpu(worker: Worker, pods: Sequence[WorkerPod], gpus: Gpus) -> list[WorkerPod]:
    """The pods of a worker for which the scheduler finds no free GPU; it may also miss other things."""
    return [
        pod
        for pod in pods
        if worker.gpu
        and pod.unschedulable_since is not None
        and pod.gone_by is None
        and gpus.are_wanting(pod.unschedulable_message)
    ]


def _waiting_for_gpu(
    received: Received, worker: Worker, pods: Sequence[WorkerPod], gpus: Gpus, now: float
) -> Action | float | None:
    if not (waiting := waits_for_gpu(worker, pods, gpus)):
        return None
    since = min(pod.unschedulable_since or 0 for pod in waiting)
    wait = since + gpus.patience_s - now
    return wait if wait > 0 else GiveUpGpu(received, worker, waiting[0].unschedulable_message)


def _lost(worker: Worker | None, pods: Sequence[WorkerPod], now: float) -> End | None:
    if worker is not None and any(pod.gone_by is not None and now > pod.gone_by + LOST_AFTER_S for pod in pods):
        return End(worker, "its node is lost", at_once=True)
    return None
