"""What is to be done about a job whose coordinator runs, or is about to."""

from __future__ import annotations

from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import CoordinatorAddress, JobPhase
from fedjobs_operator.children.invitations import invitation
from fedjobs_operator.planning import conditions, excluding, readiness, reporting
from fedjobs_operator.planning.cases import Case
from fedjobs_operator.planning.conditions import Verdict
from fedjobs_operator.planning.decisions import Plan
from fedjobs_operator.planning.observations import Attempt, AttemptState, CoordinatorPod
from fedjobs_operator.planning.wanted import wanted_children
from fedjobs_operator.reasons import Reason
from fedjobs_operator.times import Time


def coordinated(case: Case, number: int, deadline: Time | None) -> Plan:
    """The plan.

    Args:
        case: The job.
        number: Of the attempt that runs, or shall.
        deadline: When the job fails.
    """
    ref, resolved = case.ref, case.accepted.resolved
    attempt = case.attempt(number)
    pod = None if attempt is None else attempt.pod
    is_suspended = attempt is not None and attempt.suspended
    exclude = excluding.exclusions(resolved, case.observed.silos)
    if not is_suspended and (until := readiness.job_speaks_until(pod)) is not None and case.now < until:
        # the Job will say in a moment what follows; until then the report counts
        return Plan(case.before, follow=True, exclude=exclude, look_again=_earlier(deadline, until))
    waits_in_queue = case.queued and is_suspended
    ready = _ready(case, attempt, number)
    listens = ready.is_true is not False
    report = case.observed.report if listens else None
    case.verdicts[JobCondition.COORDINATOR_READY] = ready
    lost = readiness.node_lost(attempt, case.now)
    if lost.is_true or conditions.is_true(case.before, JobCondition.NODE_LOST):
        case.verdicts[JobCondition.NODE_LOST] = lost
    if conditions.is_true(case.before, JobCondition.SUSPENDED):
        case.verdicts[JobCondition.SUSPENDED] = Verdict(False, Reason.RESUMED)
    if (quorum := reporting.quorum(report, resolved.cohort.min_silos)) is not None:
        case.verdicts[JobCondition.QUORUM_REACHED] = quorum
    if waits_in_queue:
        why = "The queue has not admitted the coordinator."
        case.verdicts[JobCondition.SUSPENDED] = Verdict(True, Reason.SUSPENDED_BY_QUEUE, why)
    # a silo keeps nothing, and no GPU, for nobody; once invited, it waits for a coordinator that is started again
    is_invited = not waits_in_queue and (listens or case.before.invitation is not None)
    status = case.status(
        JobPhase.SUSPENDED if waits_in_queue else reporting.phase(report, case.before.phase, listens=listens),
        start_time=None if waits_in_queue else case.started,
        attempt=number,
        restarts=number - 1,
        resolved=case.resolved,
        invitation=invitation(ref, case.accepted.job, resolved, case.settings.front_door) if is_invited else None,
        coordinator=_address(case, number, pod),
    )
    return Plan(
        reporting.progressed(status, resolved, report),
        apply=wanted_children(
            ref,
            case.accepted.job,
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
            None if listens else case.now + readiness.PATIENCE,
            None if lost.is_true else readiness.node_is_lost_at(attempt),
        ),
    )


def _address(case: Case, number: int, pod: CoordinatorPod | None) -> CoordinatorAddress:
    front_door = case.settings.front_door
    return CoordinatorAddress(
        address=front_door.address,
        server_name=front_door.server_name(case.ref.uid),
        job=case.ref.attempt(number),
        pod=None if pod is None else pod.name,
    )


def _ready(case: Case, attempt: Attempt | None, number: int) -> Verdict:
    """Why the attempt before crashed can be read until this one listens, or has a trouble of its own."""
    ready = readiness.coordinator_ready(case.observed, attempt, case.now)
    crashed = case.attempt(number - 1)
    if ready.reason != Reason.POD_STARTING:
        return ready
    if not case.observed.trust:
        return readiness.hub_is_away(case.settings.own_namespace)
    if crashed is None or crashed.state is not AttemptState.CRASHED:
        return ready
    said = conditions.reason(case.before, JobCondition.COORDINATOR_READY)
    is_news = attempt is None or said in (Reason.CRASHED, Reason.OUT_OF_MEMORY)
    return readiness.crashed(crashed) if is_news else ready


def _earlier(*times: Time | None) -> Time | None:
    return min((time for time in times if time is not None), default=None)
