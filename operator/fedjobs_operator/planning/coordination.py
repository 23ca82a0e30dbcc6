"""Plans for a job whose coordinator runs or is about to start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef
from fedjobs_api.statuses import CoordinatorAddress, JobPhase
from fedjobs_api.times import Time
from fedjobs_common.errors import ErrorCode
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.hub.invitations import InvitationGpu
from fedjobs_protocol.hub.job_invitations import invitation_to
from fedjobs_protocol.reports.exclusions import Exclusion

from fedjobs_operator.children import config_maps, network, storage
from fedjobs_operator.children.coordinator_jobs import coordinator_job
from fedjobs_operator.planning import conditions, progress
from fedjobs_operator.planning.acceptance import Accepted
from fedjobs_operator.planning.conditions import Verdict, Verdicts
from fedjobs_operator.planning.observations import Attempt, AttemptState, KnownSilo, Observed
from fedjobs_operator.planning.plans import Case, Plan
from fedjobs_operator.settings import FrontDoor, Settings


def coordinated(case: Case, accepted: Verdicts, number: int, deadline: Time | None) -> Plan:
    """Returns the plan for a job whose coordinator runs or is about to start.

    Args:
        case: The job.
        accepted: The verdicts on its spec.
        number: The number of the attempt that runs or is to run.
        deadline: When the job fails. None if it has no deadline.
    """
    ref, resolved = case.ref, case.accepted.resolved
    attempt = case.attempt(number)
    pod = None if attempt is None else attempt.pod
    is_suspended = attempt is not None and attempt.suspended
    exclude = exclusions(resolved, case.observed.silos)
    if not is_suspended and (until := conditions.job_speaks_until(pod)) is not None and case.now < until:
        # The Job reports the outcome in a moment. Until then, the last report counts.
        return Plan(case.before, follow=True, exclude=exclude, look_again=_earlier(deadline, until))
    waits_in_queue = case.queued and is_suspended
    ready = _ready(case, attempt, number)
    listens = ready.is_true is not False
    report = case.observed.report if listens else None
    verdicts = {**accepted, JobCondition.COORDINATOR_READY: ready}
    lost = conditions.node_lost(attempt, case.now)
    if lost.is_true or conditions.is_true(case.before, JobCondition.NODE_LOST):
        verdicts[JobCondition.NODE_LOST] = lost
    if conditions.is_true(case.before, JobCondition.SUSPENDED):
        verdicts[JobCondition.SUSPENDED] = Verdict(False, Reason.RESUMED)
    if (quorum := progress.quorum(report, resolved.cohort.min_silos)) is not None:
        verdicts[JobCondition.QUORUM_REACHED] = quorum
    if waits_in_queue:
        why = "The queue has not admitted the coordinator's Job yet."
        verdicts[JobCondition.SUSPENDED] = Verdict(True, Reason.SUSPENDED_BY_QUEUE, why)
    # Silos are invited only when a coordinator runs, so that they reserve no GPU in vain. Silos that were invited stay
    # invited while the coordinator restarts.
    is_invited = not waits_in_queue and (listens or case.before.invitation is not None)
    status = case.status(
        JobPhase.SUSPENDED if waits_in_queue else progress.phase(report, case.before.phase, listens=listens),
        verdicts,
        start_time=None if waits_in_queue else case.started,
        attempt=number,
        restarts=number - 1,
        resolved=case.resolved,
        invitation=invitation(ref, case.accepted.job, resolved, case.settings.front_door) if is_invited else None,
        coordinator=_address(case, number, attempt),
    )
    return Plan(
        progress.progressed(status, resolved, report),
        apply=wanted_children(
            ref,
            case.accepted,
            number,
            case.observed,
            case.settings,
            reachable=not waits_in_queue,
            routed=is_invited,
        ),
        withdraw=waits_in_queue,
        suspend={ref.attempt(number): False} if is_suspended and not case.queued else {},
        follow=listens,
        exclude=exclude,
        look_again=_earlier(
            deadline,
            None if listens else case.now + conditions.PATIENCE,
            None if lost.is_true else conditions.node_is_lost_at(attempt),
        ),
    )


def _address(case: Case, number: int, attempt: Attempt | None) -> CoordinatorAddress:
    front_door = case.settings.front_door
    return CoordinatorAddress(
        address=front_door.address,
        server_name=front_door.server_name(case.ref.uid),
        job_name=case.ref.attempt(number),
        job_uid=None if attempt is None else attempt.uid,
        pod_name=None if attempt is None or attempt.pod is None else attempt.pod.name,
    )


def _ready(case: Case, attempt: Attempt | None, number: int) -> Verdict:
    """Returns the verdict on the coordinator.

    The crash of the previous attempt stays visible until the new attempt is ready or has a problem itself.
    """
    ready = conditions.coordinator_ready(case.observed, attempt, case.now)
    crashed = case.attempt(number - 1)
    if ready.reason != Reason.POD_STARTING:
        return ready
    if not case.observed.trust:
        return conditions.hub_unavailable(case.settings.own_namespace)
    if crashed is None or crashed.state is not AttemptState.CRASHED:
        return ready
    said = conditions.reason(case.before, JobCondition.COORDINATOR_READY)
    is_news = attempt is None or said in (Reason.CRASHED, Reason.OUT_OF_MEMORY)
    return conditions.crashed(crashed) if is_news else ready


def _earlier(*times: Time | None) -> Time | None:
    return min((time for time in times if time is not None), default=None)


def wanted_children(
    ref: JobRef,
    accepted: Accepted,
    number: int,
    observed: Observed,
    settings: Settings,
    *,
    reachable: bool,
    routed: bool,
) -> tuple[Mapping[str, Any], ...]:
    """Returns the manifests in the order in which they are applied. Immutable objects are included only if missing.

    Args:
        ref: The job.
        accepted: The job as written now, and as resolved.
        number: The number of the coordinator's attempt.
        observed: The observed state.
        settings: The operator's settings.
        reachable: Whether the coordinator needs a Service and a NetworkPolicy. A queued job gets none, because the
            Service would use up one of the cluster's IP addresses.
        routed: Whether the front door routes to the coordinator.
    """
    children = [network.service(ref), network.network_policy(ref)] if reachable else []
    if routed:
        children.append(network.route(ref, settings))
    if observed.trust:
        children.append(config_maps.hub_config(ref, observed.trust))
    if not observed.claim_phase:
        children.append(storage.claim(ref, accepted.job))
    if not any(attempt.number == number for attempt in observed.attempts):
        digest = config_maps.digest(accepted.resolved)
        children.append(coordinator_job(ref, accepted.job, number, settings, digest))
    return tuple(children)


def exclusions(resolved: ResolvedJob, silos: Iterable[KnownSilo]) -> tuple[Exclusion, ...]:
    """Returns the exclusions of all invited silos that are suspended or deleted, ordered by name.

    Args:
        resolved: The resolved job, with the invited silos.
        silos: All Silo objects.
    """
    suspended = {silo.name: silo.suspended for silo in silos}
    return tuple(_exclusion(name, name in suspended) for name in resolved.silos if suspended.get(name, True))


def _exclusion(silo: str, is_there: bool) -> Exclusion:
    if is_there:
        return Exclusion(silo, ErrorCode.SILO_SUSPENDED, f"The federation suspended the silo {silo}.")
    return Exclusion(silo, ErrorCode.SILO_NOT_FOUND, f"The silo {silo} is no longer part of the federation.")


def invitation(ref: JobRef, job: FederatedJob, resolved: ResolvedJob, front_door: FrontDoor) -> dict[str, Any]:
    """Returns the invitation for the job's status."""
    gpu = job.spec.worker.gpu
    words = invitation_to(
        resolved,
        address=front_door.address,
        server_name=front_door.server_name(ref.uid),
        namespace=ref.namespace,
        gpu=InvitationGpu(mode=gpu.mode, count=gpu.count),
    )
    return words.model_dump(mode="json", by_alias=True, exclude_none=True)
