"""Pure functions that plan an agent's next actions from the current state, and from which GPUs were given up."""

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
"""If an invitation is still current this long after its worker ended, the worker is started again."""
NEW_TOKEN_AFTER_S = 2.0
"""The minimum interval between workers if the hub rejects their tokens."""
LOST_AFTER_S = 60.0
"""If a deleted pod still exists this long after its deadline, its node is lost."""
NO_GPU_FREE, NO_GPU_HERE = "no GPU was free", "this silo has no GPU"
GPU_RULE = "gpu"
CLUSTER_RULE = "cluster"
"""Not a rule of a policy: the silo would take part, but its cluster cannot start the worker at the moment."""
_FULL = "The job waits, because the silo already runs workers of as many jobs as it allows"
_NO_SUCH_NODE = "didn't match Pod's node affinity/selector"
_OF_NO_USE = frozenset({ErrorCode.INVALID_TOKEN.label, ErrorCode.INVALID_CERTIFICATE.label})
"""The errors for an unusable token. INVALID_CERTIFICATE: the token was requested with an old key of the silo."""


@dataclass(frozen=True)
class Judged:
    """An invitation and the policy's decision about it."""

    received: Received
    decision: Decision


@dataclass(frozen=True)
class Gpus:
    """The GPU settings of the silo.

    Attributes:
        offered: Whether the silo file has `runner.gpu`.
        resource_name: The resource name of the GPU.
        patience_s: How long a worker waits for a GPU.
        given_up: Why no GPU was available, by the IDs of the invitations whose workers waited for one.
        labelled: Whether the silo file selects nodes with GPUs by labels.
    """

    offered: bool
    patience_s: float
    given_up: Mapping[str, str]
    resource_name: str = "nvidia.com/gpu"
    labelled: bool = False

    def are_wanting(self, message: str) -> bool:
        """Returns whether the scheduler finds no node because of the GPU.

        The scheduler's message does not name the resource if no node has the labels. If a node has the labels and lacks
        another resource, the message names that resource.
        """
        return self.resource_name in message or (
            self.labelled and _NO_SUCH_NODE in message and "Insufficient" not in message
        )


@dataclass(frozen=True)
class Start:
    """Start a worker."""

    received: Received
    gpu: bool = False
    device_note: str = ""


@dataclass(frozen=True)
class End:
    """Delete a worker. With `at_once`, do not wait for its pods."""

    worker: Worker
    reason: str
    at_once: bool = False


@dataclass(frozen=True)
class GiveUpGpu:
    """Delete a worker that waits for a GPU, and do not wait for a GPU again."""

    received: Received
    worker: Worker
    message: str


@dataclass(frozen=True)
class Decline:
    """Tell the coordinator that this silo does not take part in the job."""

    received: Received
    rule: str
    message: str


Action = Start | End | GiveUpGpu | Decline


@dataclass(frozen=True)
class Plan:
    """The actions to run now, and the seconds until the plan may change without an event (None: never)."""

    actions: Sequence[Action]
    again_in_s: float | None = None


def plan(
    invitations: Sequence[Judged],
    workers: Sequence[Worker],
    pods: Sequence[WorkerPod],
    gpus: Gpus,
    now: float,
    hindered: Mapping[str, str] | None = None,
    most: int | None = None,
) -> Plan:
    """Returns the next actions.

    Args:
        invitations: All current invitations.
        workers: All workers of this silo.
        pods: All pods of the workers.
        gpus: The GPU settings of the silo.
        now: The time in seconds since 1970.
        hindered: Why workers have not started for a long time, by the IDs of their invitations.
        most: How many workers may run at the same time (`policy.limits.jobsAtOnce`). None: any number.
    """
    by_name = {worker.name: worker for worker in workers}
    actions: list[Action] = []
    waits: list[float] = []
    running = sum(worker.finished_at is None for worker in workers)
    for judged in invitations:
        invitation = judged.received.invitation
        name = names.worker(invitation.job_name, invitation.job_uid, judged.received.silo)
        worker = by_name.pop(name, None)
        of_worker = [pod for pod in pods if worker is not None and pod.job_uid == worker.uid]
        step = _lost(worker, of_worker, now) or _step(judged, worker, of_worker, gpus, now)
        if isinstance(step, Start):
            running += 1
            if most is not None and running > most:
                step = Decline(judged.received, CLUSTER_RULE, f"{_FULL} ({most}, policy.limits.jobsAtOnce).")
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
            step = End(worker, "its invitation was withdrawn")
        if step is not None:
            actions.append(step)
    return Plan(actions, max(0.0, min(waits)) if waits else None)


def _step(
    judged: Judged, worker: Worker | None, pods: Sequence[WorkerPod], gpus: Gpus, now: float
) -> Action | float | None:
    """Returns an action for an invitation, the seconds to wait, or None."""
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
        return End(worker, "its invitation changed")
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
        return Decline(received, GPU_RULE, f"The job requires a GPU, but silo {silo} has none.")
    if (why := gpus.given_up.get(received.id)) is not None:
        return Decline(received, GPU_RULE, f"The job requires a GPU, but silo {silo} had no free GPU: {why}")
    return None


def _note(received: Received, gpu: bool, gpus: Gpus) -> str:
    if gpu or received.invitation.gpu.mode == "Never":
        return ""
    return NO_GPU_FREE if gpus.offered else NO_GPU_HERE


def _after_the_end(worker: Worker, pods: Sequence[WorkerPod], now: float) -> Action | float | None:
    words = {pod.last_word.outcome for pod in pods if pod.last_word is not None}
    if worker.succeeded and words & {Outcome.COMPLETE, Outcome.FAILED, Outcome.DECLINED}:
        return None  # the job is over for this invitation
    # Suspended, or the outcome is unknown: the invitation is current, so the worker is still needed.
    wait = (worker.finished_at or 0) + AGAIN_AFTER_S - now
    return wait if wait > 0 else End(worker, "it ended, but its invitation is still current")


def _without_token(worker: Worker, pods: Sequence[WorkerPod], now: float) -> End | float | None:
    """Ends a worker whose token was rejected. Only one pod can use a token, so a new pod gets no certificate."""
    refused = [pod.spoke_at or 0 for pod in pods if pod.last_word is not None and pod.last_word.code in _OF_NO_USE]
    if not refused:
        return None
    wait = max(refused) + NEW_TOKEN_AFTER_S - now
    return wait if wait > 0 else End(worker, "its token is no longer valid")


def waits_for_gpu(worker: Worker, pods: Sequence[WorkerPod], gpus: Gpus) -> list[WorkerPod]:
    """Returns the pods of a worker for which the scheduler finds no free GPU. Other resources may be missing too."""
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
