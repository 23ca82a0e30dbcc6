"""What is to be done about a job: a pure function of the job, of what is there, and of the time.

It is asked again whenever something changed, and says the same until it has been carried out: nothing depends on which
event it was, or on what an operator remembers.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fedjobs_operator import times
from fedjobs_operator.api.conditions import JobCondition
from fedjobs_operator.api.statuses import FederatedJobStatus, JobPhase
from fedjobs_operator.children import storage
from fedjobs_operator.names import JobRef
from fedjobs_operator.planning import (
    attempts,
    conditions,
    coordinating,
    deadlines,
    endings,
    keeping,
    readiness,
    reporting,
)
from fedjobs_operator.planning.acceptance import NotAccepted, accept
from fedjobs_operator.planning.cases import Case
from fedjobs_operator.planning.conditions import Verdict
from fedjobs_operator.planning.decisions import Plan
from fedjobs_operator.planning.observations import Observed
from fedjobs_operator.reasons import Reason
from fedjobs_operator.settings import Settings
from fedjobs_operator.times import Time


def plan(body: Mapping[str, Any], observed: Observed, settings: Settings, now: Time) -> Plan:
    """The plan for a job.

    Args:
        body: The FederatedJob, as the API server has it.
        observed: What else is there.
        settings: Of the operator.
        now: The time, UTC.
    """
    metadata = body["metadata"]
    before = FederatedJobStatus.model_validate(observed.status)
    if "deletionTimestamp" in metadata:
        return Plan(before)  # the cluster deletes what the job owns
    if endings.is_over(before):
        return keeping.kept(body, before, now)
    ref = JobRef(metadata["namespace"], metadata["name"], metadata["uid"])
    generation = int(metadata["generation"])
    accepted = accept(body, observed.silos, observed.resolved, settings.own_namespace)
    if isinstance(accepted, NotAccepted):
        return _not_accepted(before, accepted, generation, now)
    case = Case(ref, generation, accepted, observed, before, settings, now)
    return replace(_accepted(case), resolved=accepted.resolved)


def _not_accepted(before: FederatedJobStatus, verdict: NotAccepted, generation: int, now: Time) -> Plan:
    verdicts = {JobCondition.ACCEPTED: Verdict(False, verdict.reason, verdict.message)}
    found = conditions.carried_on(before, verdicts, generation, now)
    update = {"phase": before.phase or JobPhase.PENDING, "conditions": found, "observed_generation": generation}
    return Plan(before.model_copy(update=update))


def _accepted(case: Case) -> Plan:
    _say_what_was_accepted(case)
    spec = case.accepted.job.spec
    decision = attempts.decide(case.observed.attempts, case.before.attempt or 1, spec.backoff_limit, case.now)
    if isinstance(decision, attempts.Over):  # also where somebody suspends the job in the same moment
        return _ended(case, endings.of_attempt(case.ref, case.accepted.job, decision.last, case.observed.report))
    if spec.suspend:
        return _suspended(case)
    if isinstance(decision, attempts.GaveUp):
        return _ended(case, endings.gave_up(decision.last, spec.backoff_limit))
    deadline = deadlines.fails_at(spec, datetime.datetime.fromisoformat(case.started))
    if deadline is not None and case.now >= deadline:
        return _ended(case, endings.too_late(spec.active_deadline_seconds or 0))
    if isinstance(decision, attempts.Wait):
        case.verdicts[JobCondition.COORDINATOR_READY] = readiness.crashed(decision.last)
        status = case.status(JobPhase.STARTING, start_time=case.started, attempt=decision.last.number)
        return Plan(status, look_again=decision.until)
    return coordinating.coordinated(case, decision.number, deadline)


def _say_what_was_accepted(case: Case) -> None:
    silos = ", ".join(case.accepted.resolved.silos)
    case.verdicts[JobCondition.ACCEPTED] = Verdict(True, Reason.RESOLVED, f"The job is run by {silos}.")
    if changed := case.accepted.changed:
        message = f"The run goes on as it was accepted; edited since: {changed} To run that, make a new job."
        case.verdicts[JobCondition.SPEC_CHANGED] = Verdict(True, Reason.RUN_GOES_ON, message)
    elif conditions.is_true(case.before, JobCondition.SPEC_CHANGED):
        case.verdicts[JobCondition.SPEC_CHANGED] = Verdict(False, Reason.RUN_GOES_ON)


def _suspended(case: Case) -> Plan:
    """No coordinator and no workers; checkpoints stay. What was resolved is fixed all the same."""
    last = case.last
    how = "Set spec.suspend to false to go on."
    case.verdicts[JobCondition.SUSPENDED] = Verdict(True, Reason.SUSPENDED_BY_SPEC, how)
    if last is not None:
        ended = Verdict(False, Reason.SUSPENDED_BY_SPEC, "The job is suspended.")
        case.verdicts[JobCondition.COORDINATOR_READY] = ended
    status = case.status(JobPhase.SUSPENDED, resolved=case.resolved, start_time=None, silos=None, invitation=None)
    delete: tuple[str, ...] = ()
    suspend: dict[str, bool] = {}
    if last is not None and last.ended_at is None and not last.deleting:
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


def _ended(case: Case, ending: endings.Ending) -> Plan:
    """The job is over, one way or the other."""
    last = case.last
    case.verdicts[ending.condition] = Verdict(True, ending.reason, ending.message)
    case.verdicts[JobCondition.COORDINATOR_READY] = Verdict(False, Reason.ENDED, "The job is over.")
    if ending.quorum_missing:
        case.verdicts[JobCondition.QUORUM_REACHED] = Verdict(False, Reason.QUORUM_NOT_REACHED, ending.message)
    for kind in (JobCondition.SUSPENDED, JobCondition.NODE_LOST):
        if conditions.is_true(case.before, kind):
            case.verdicts[kind] = Verdict(False, Reason.ENDED, "The job is over.")
    status = case.status(
        ending.phase,
        completion_time=times.written(case.now),
        invitation=None,
        resolved=case.resolved,
        result=ending.result or case.before.result,
        round=max(case.before.round or 0, ending.round),
        computation=ending.computation or case.before.computation,
        restarts=max(case.before.restarts or 0, 0 if last is None else last.number - 1),
    )
    still_runs = last is not None and last.ended_at is None and not last.deleting
    return Plan(
        reporting.progressed(status, case.accepted.resolved, case.observed.report),
        withdraw=True,
        delete=(case.ref.attempt(last.number),) if last is not None and still_runs else (),
        own_claim=ending.condition is JobCondition.COMPLETE and storage.is_deleted_once_exported(case.accepted.job),
    )
