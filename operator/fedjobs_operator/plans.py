"""What is to be done about a job: a pure function of the job, of what is there, and of the time.

It is asked again whenever something changed, and says the same until it has been carried out: nothing depends on which
event it was, or on what an operator remembers.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fedjobs_protocol.identities import server_name
from fedjobs_protocol.jobs import ResolvedJob

from fedjobs_operator import attempts, conditions, deadlines, endings, readiness, reporting
from fedjobs_operator.acceptance import Accepted, NotAccepted, accept
from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import CoordinatorAddress, FederatedJobStatus, JobPhase, Resolved
from fedjobs_operator.children import configs, networking, storage
from fedjobs_operator.children.coordinator_jobs import CoordinatorImage, coordinator_job
from fedjobs_operator.conditions import Verdict
from fedjobs_operator.names import QUEUE, JobRef
from fedjobs_operator.observations import Attempt, AttemptState, Observed, Time
from fedjobs_operator.reasons import Reason


@dataclass(frozen=True)
class Plan:
    """What to do, in this order; the status is written last, so that a plan that was interrupted is made again.

    Attributes:
        resolved: What the job is run as. It is written down, once, before anything else is done; None: nothing is done.
        apply: Manifests of what shall be there. Objects that cannot change once they are there are in it until then.
        certify: The coordinator shall have a certificate.
        invite: Silos that shall have an invitation, from now until all are withdrawn.
        withdraw: All invitations shall be gone.
        suspend: Names of Jobs, and whether they shall be suspended.
        delete: Names of Jobs that shall be gone.
        delete_job: The FederatedJob itself shall be gone.
        follow: The coordinator's reports are to be listened to.
        status: What the job's status shall be.
        look_again: When the answer may be another one though nothing has happened.
    """

    status: FederatedJobStatus
    resolved: ResolvedJob | None = None
    apply: tuple[Mapping[str, Any], ...] = ()
    certify: bool = False
    invite: tuple[str, ...] = ()
    withdraw: bool = False
    suspend: Mapping[str, bool] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    delete_job: bool = False
    follow: bool = False
    look_again: Time | None = None


@dataclass(frozen=True)
class _Case:
    """One job at one time."""

    ref: JobRef
    generation: int
    accepted: Accepted
    observed: Observed
    before: FederatedJobStatus
    image: CoordinatorImage
    now: Time
    verdicts: dict[JobCondition, Verdict] = field(default_factory=dict)

    @property
    def queued(self) -> bool:
        return QUEUE in self.accepted.job.metadata.labels

    def attempt(self, number: int) -> Attempt | None:
        return next((a for a in self.observed.attempts if a.number == number), None)

    def status(self, phase: JobPhase, **changes: Any) -> FederatedJobStatus:
        found = conditions.carried_on(self.before, self.verdicts, self.generation, self.now)
        return self.before.model_copy(
            update={"phase": phase, "conditions": found, "observed_generation": self.generation} | changes
        )


def plan(body: Mapping[str, Any], observed: Observed, image: CoordinatorImage, now: Time) -> Plan:
    """The plan for a job.

    Args:
        body: The FederatedJob, as the API server has it.
        observed: What else is there.
        image: Of coordinators.
        now: The time, UTC.
    """
    metadata = body["metadata"]
    before = FederatedJobStatus.model_validate(observed.status)
    if "deletionTimestamp" in metadata:
        return Plan(before)  # the cluster deletes what the job owns
    ref = JobRef(metadata["namespace"], metadata["name"], metadata["uid"])
    generation = int(metadata["generation"])
    accepted = accept(body, observed.silos, observed.resolved)
    if isinstance(accepted, NotAccepted):
        return _not_accepted(before, accepted, generation, now)
    case = _Case(ref, generation, accepted, observed, before, image, now)
    return replace(_accepted(case), resolved=accepted.resolved)


def _not_accepted(before: FederatedJobStatus, verdict: NotAccepted, generation: int, now: Time) -> Plan:
    verdicts = {JobCondition.ACCEPTED: Verdict(False, verdict.reason, verdict.message)}
    found = conditions.carried_on(before, verdicts, generation, now)
    update = {"phase": before.phase or JobPhase.PENDING, "conditions": found, "observed_generation": generation}
    return Plan(before.model_copy(update=update))


def _accepted(case: _Case) -> Plan:
    if endings.is_over(case.before):
        return _kept(case)
    _say_what_was_accepted(case)
    if case.accepted.job.spec.suspend:
        return _suspended(case)
    return _running(case)


def _kept(case: _Case) -> Plan:
    """A job that is over is kept until its time to live has passed."""
    completed = datetime.datetime.fromisoformat(case.before.completion_time or conditions.written(case.now))
    until = deadlines.is_deleted_at(case.accepted.job.spec, completed)
    status = case.before.model_copy(update={"observed_generation": case.generation})
    is_due = until is not None and case.now >= until
    return Plan(status, delete_job=is_due, look_again=None if is_due else until)


def _say_what_was_accepted(case: _Case) -> None:
    silos = ", ".join(case.accepted.resolved.silos)
    case.verdicts[JobCondition.ACCEPTED] = Verdict(True, Reason.RESOLVED, f"The job is run by {silos}.")
    if changed := case.accepted.changed:
        message = f"The run goes on as it was accepted; edited since: {changed} To run that, make a new job."
        case.verdicts[JobCondition.SPEC_CHANGED] = Verdict(True, Reason.RUN_GOES_ON, message)
    elif conditions.is_true(case.before, JobCondition.SPEC_CHANGED):
        case.verdicts[JobCondition.SPEC_CHANGED] = Verdict(False, Reason.RUN_GOES_ON)


def _suspended(case: _Case) -> Plan:
    """No coordinator and no workers; checkpoints stay. What was resolved is fixed all the same."""
    last = case.observed.attempts[-1] if case.observed.attempts else None
    how = "Set spec.suspend to false to go on."
    case.verdicts[JobCondition.SUSPENDED] = Verdict(True, Reason.SUSPENDED_BY_SPEC, how)
    if last is not None:
        ended = Verdict(False, Reason.SUSPENDED_BY_SPEC, "The job is suspended.")
        case.verdicts[JobCondition.COORDINATOR_READY] = ended
    status = case.status(JobPhase.SUSPENDED, resolved=_resolved(case), start_time=None, silos=None)
    delete: tuple[str, ...] = ()
    suspend: dict[str, bool] = {}
    if last is not None and last.ended_at is None:
        if case.queued:  # whether that Job is suspended is the queue's to say
            delete = (case.ref.attempt(last.number),)
        elif not last.suspended:
            suspend = {case.ref.attempt(last.number): True}
    return Plan(
        reporting.progressed(status, case.accepted.resolved, None),
        withdraw=case.before.attempt is not None or last is not None,
        suspend=suspend,
        delete=delete,
    )


def _running(case: _Case) -> Plan:
    spec = case.accepted.job.spec
    decision = attempts.decide(case.observed.attempts, case.before.attempt or 1, spec.backoff_limit, case.now)
    started = _started(case)
    if isinstance(decision, attempts.Over):
        return _ended(case, endings.of_attempt(case.ref, case.accepted.job, decision.last, case.observed.report))
    if isinstance(decision, attempts.GaveUp):
        return _ended(case, endings.gave_up(decision.last, spec.backoff_limit))
    deadline = deadlines.fails_at(spec, datetime.datetime.fromisoformat(started))
    if deadline is not None and case.now >= deadline:
        return _ended(case, endings.too_late(spec.active_deadline_seconds or 0))
    if isinstance(decision, attempts.Wait):
        case.verdicts[JobCondition.COORDINATOR_READY] = readiness.crashed(decision.last)
        status = case.status(JobPhase.STARTING, start_time=started, attempt=decision.last.number)
        return Plan(status, look_again=decision.until)
    return _coordinated(case, decision.number, started, deadline)


def _coordinated(case: _Case, number: int, started: str, deadline: Time | None) -> Plan:
    """A coordinator runs, or is about to."""
    ref, resolved = case.ref, case.accepted.resolved
    attempt = case.attempt(number)
    pod = None if attempt is None else attempt.pod
    is_suspended = attempt is not None and attempt.suspended
    if pod is not None and pod.ended and not is_suspended:
        return Plan(case.before, follow=True)  # the Job will say in a moment what follows; until then the report counts
    waits_in_queue = case.queued and is_suspended
    ready = _ready(case, attempt, number)
    report = case.observed.report if ready.is_true else None
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
    status = case.status(
        JobPhase.SUSPENDED if waits_in_queue else reporting.phase(report, case.before.phase),
        start_time=None if waits_in_queue else started,
        attempt=number,
        restarts=number - 1,
        resolved=_resolved(case),
        coordinator=CoordinatorAddress(
            address=ref.address,
            server_name=server_name(ref.uid),
            job=ref.attempt(number),
            pod=None if pod is None else pod.name,
        ),
    )
    return Plan(
        reporting.progressed(status, resolved, report),
        apply=_children(case, number),
        suspend={ref.attempt(number): False} if is_suspended and not case.queued else {},
        certify=True,
        invite=tuple(resolved.silos) if ready.is_true else (),  # a silo keeps nothing, and no GPU, for nobody
        follow=bool(ready.is_true),
        look_again=_earlier(
            deadline,
            None if ready.is_true else case.now + readiness.PATIENCE,
            None if lost.is_true else readiness.node_is_lost_at(attempt),
        ),
    )


def _ready(case: _Case, attempt: Attempt | None, number: int) -> Verdict:
    """Why the attempt before crashed can be read until this one listens, or has a trouble of its own."""
    ready = readiness.coordinator_ready(case.observed, attempt, case.now)
    crashed = case.attempt(number - 1)
    if crashed is None or crashed.state is not AttemptState.CRASHED or ready.reason != Reason.POD_STARTING:
        return ready
    said = conditions.reason(case.before, JobCondition.COORDINATOR_READY)
    is_news = attempt is None or said in (Reason.CRASHED, Reason.OUT_OF_MEMORY)
    return readiness.crashed(crashed) if is_news else ready


def _children(case: _Case, number: int) -> tuple[Mapping[str, Any], ...]:
    ref, job = case.ref, case.accepted.job
    children = [networking.service(ref), networking.network_policy(ref)]
    if not case.observed.claim_phase:
        children.append(storage.claim(ref, job))
    if case.attempt(number) is None:
        children.append(coordinator_job(ref, job, number, case.image))
    return tuple(children)


def _ended(case: _Case, ending: endings.Ending) -> Plan:
    """The job is over, one way or the other."""
    last = case.observed.attempts[-1] if case.observed.attempts else None
    case.verdicts[ending.condition] = Verdict(True, ending.reason, ending.message)
    case.verdicts[JobCondition.COORDINATOR_READY] = Verdict(False, Reason.ENDED, "The job is over.")
    if ending.quorum_missing:
        case.verdicts[JobCondition.QUORUM_REACHED] = Verdict(False, Reason.QUORUM_NOT_REACHED, ending.message)
    status = case.status(
        ending.phase,
        completion_time=conditions.written(case.now),
        result=ending.result or case.before.result,
        round=max(case.before.round or 0, ending.round),
        computation=ending.computation or case.before.computation,
        restarts=max(case.before.restarts or 0, 0 if last is None else last.number - 1),
    )
    still_runs = last is not None and last.ended_at is None
    return Plan(
        reporting.progressed(status, case.accepted.resolved, case.observed.report),
        withdraw=True,
        delete=(case.ref.attempt(last.number),) if last is not None and still_runs else (),
    )


def _started(case: _Case) -> str:
    """A job that is suspended, or waits in a queue, has no start."""
    return case.before.start_time or conditions.written(case.now)


def _resolved(case: _Case) -> Resolved:
    known = case.before.resolved
    generation = case.generation if known is None else known.generation
    digest = configs.digest(case.accepted.resolved)
    return Resolved(config_map=case.ref.resolved, digest=digest, generation=generation)


def _earlier(*times: Time | None) -> Time | None:
    return min((time for time in times if time is not None), default=None)
