"""Plans what to do for a job: a pure function of the job, the observed state and the time.

It is level-triggered: the plan depends neither on events nor on what the operator remembers. It is the same until it
has been carried out.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fedjobs_api import times
from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.names import JobRef
from fedjobs_api.statuses import FederatedJobStatus, JobPhase
from fedjobs_api.times import Time

from fedjobs_operator.children import config_maps, storage
from fedjobs_operator.planning import attempts, conditions, coordination, endings, progress, ttl
from fedjobs_operator.planning.acceptance import Accepted, NotAccepted, accept
from fedjobs_operator.planning.conditions import Verdict, Verdicts
from fedjobs_operator.planning.observations import Observed
from fedjobs_operator.planning.plans import Case, Plan
from fedjobs_operator.settings import Settings

_REMEDY = "It is retried within a minute."


def plan(body: Mapping[str, Any], observed: Observed, settings: Settings, now: Time) -> Plan:
    """Returns the plan for a job.

    Args:
        body: The FederatedJob object.
        observed: The observed state.
        settings: The operator's settings.
        now: The current time in UTC.
    """
    metadata = body["metadata"]
    before = FederatedJobStatus.read(observed.status)
    if "deletionTimestamp" in metadata:
        return Plan(before)  # the cluster deletes the job's dependents
    if endings.is_over(before):
        return ttl.kept(body, before, now)
    ref = JobRef(metadata["namespace"], metadata["name"], metadata["uid"])
    generation = int(metadata["generation"])
    if observed.refused:
        return _refused(before, observed, generation, now)
    accepted = accept(body, observed.silos, observed.resolved, settings.own_namespaces)
    if isinstance(accepted, Accepted) and observed.resolved is None:
        accepted = _same(ref, before, accepted)
    if isinstance(accepted, NotAccepted):
        return _not_accepted(before, accepted, generation, now)
    case = Case(ref, generation, accepted, observed, before, settings, now)
    return replace(_accepted(case), resolved=accepted.resolved)


def _same(ref: JobRef, before: FederatedJobStatus, accepted: Accepted) -> Accepted | NotAccepted:
    """Refuses to continue a started job with another resolved job than before. Its silos were invited to the first."""
    known = before.resolved
    if known is None or before.attempt is None or known.digest == config_maps.digest(accepted.resolved):
        return accepted
    message = (
        f"The ConfigMap {ref.resolved} with the resolved job was deleted or replaced, or a newer release wrote it, and"
        " the job would be resolved differently now. Undo the edits of spec.program and of the silos' labels, restore"
        " the ConfigMap or the release, or create a new job."
    )
    return NotAccepted(Reason.RESOLVED_JOB_LOST, message)


def _not_accepted(before: FederatedJobStatus, verdict: NotAccepted, generation: int, now: Time) -> Plan:
    verdicts = {JobCondition.ACCEPTED: Verdict(False, verdict.reason, verdict.message)}
    found = conditions.carried_on(before, verdicts, generation, now)
    update = {"phase": before.phase or JobPhase.PENDING, "conditions": found, "observed_generation": generation}
    return Plan(before.model_copy(update=update))


def _refused(before: FederatedJobStatus, observed: Observed, generation: int, now: Time) -> Plan:
    """Reports an object that could not be created in the job's status, because users do not read the operator's log.

    A running coordinator does not depend on the object, so its status stays unchanged.
    """
    if conditions.is_true(before, JobCondition.COORDINATOR_READY):
        return Plan(before)
    verdict = Verdict(False, observed.refused_for, f"{observed.refused.rstrip('.')}. {_REMEDY}")
    found = conditions.carried_on(before, {JobCondition.COORDINATOR_READY: verdict}, generation, now)
    update = {"phase": before.phase or JobPhase.PENDING, "conditions": found, "observed_generation": generation}
    return Plan(before.model_copy(update=update))


def _accepted(case: Case) -> Plan:
    verdicts = _accepted_verdicts(case)
    spec = case.accepted.job.spec
    decision = attempts.decide(case.observed.attempts, case.before.attempt or 1, spec.backoff_limit, case.now)
    if isinstance(decision, attempts.Over):  # takes precedence over a suspension at the same time
        return _ended(
            case, verdicts, endings.of_attempt(case.ref, case.accepted.job, decision.last, case.observed.report)
        )
    if spec.suspend:
        return _suspended(case, verdicts)
    if isinstance(decision, attempts.GaveUp):
        return _ended(case, verdicts, endings.gave_up(decision.last, spec.backoff_limit))
    deadline = ttl.fails_at(spec, datetime.datetime.fromisoformat(case.started))
    if deadline is not None and case.now >= deadline:
        if _is_ending(case):  # the result may be exported: the Job reports it in a moment
            return coordination.coordinated(case, verdicts, case.last.number if case.last else 1, None)
        return _ended(case, verdicts, endings.too_late(spec.active_deadline_seconds or 0))
    if isinstance(decision, attempts.Wait):
        crashed = {**verdicts, JobCondition.COORDINATOR_READY: conditions.crashed(decision.last)}
        status = case.status(JobPhase.STARTING, crashed, start_time=case.started, attempt=decision.last.number)
        return Plan(status, look_again=decision.until)
    return coordination.coordinated(case, verdicts, decision.number, deadline)


def _is_ending(case: Case) -> bool:
    """Returns whether the coordinator has exited by itself, and its Job has not reported the outcome yet."""
    last = case.last
    if last is None or last.suspended or last.ended_at is not None:
        return False
    until = conditions.job_speaks_until(last.pod)
    return until is not None and case.now < until


def _accepted_verdicts(case: Case) -> Verdicts:
    silos = ", ".join(case.accepted.resolved.silos)
    verdicts = {JobCondition.ACCEPTED: Verdict(True, Reason.RESOLVED, f"The job runs on the silos {silos}.")}
    if changed := case.accepted.changed:
        message = f"Edits after the job was accepted have no effect: {changed} Create a new job to run with them."
        verdicts[JobCondition.SPEC_CHANGED] = Verdict(True, Reason.CHANGES_IGNORED, message)
    elif conditions.is_true(case.before, JobCondition.SPEC_CHANGED):
        verdicts[JobCondition.SPEC_CHANGED] = Verdict(False, Reason.CHANGES_IGNORED)
    return verdicts


def _suspended(case: Case, accepted: Verdicts) -> Plan:
    """Plans for a suspended job: no coordinator and no workers. Checkpoints and the resolved job are kept."""
    last = case.last
    how = "Set spec.suspend to false to resume the job."
    verdicts = {**accepted, JobCondition.SUSPENDED: Verdict(True, Reason.SUSPENDED_BY_SPEC, how)}
    if last is not None:
        ended = Verdict(False, Reason.SUSPENDED_BY_SPEC, "The job is suspended.")
        verdicts[JobCondition.COORDINATOR_READY] = ended
    status = case.status(
        JobPhase.SUSPENDED, verdicts, resolved=case.resolved, start_time=None, silos=None, invitation=None
    )
    delete: tuple[str, ...] = ()
    suspend: dict[str, bool] = {}
    if last is not None and last.ended_at is None and not last.deleting:
        if case.queued:  # the queue decides whether its Job is suspended
            delete = (case.ref.attempt(last.number),)
        elif not last.suspended:
            suspend = {case.ref.attempt(last.number): True}
    return Plan(
        progress.progressed(status, case.accepted.resolved, None),
        withdraw=case.before.attempt is not None or last is not None,
        suspend=suspend,
        delete=delete,
    )


def _ended(case: Case, accepted: Verdicts, ending: endings.Ending) -> Plan:
    """Plans for a job that has just finished, complete or failed."""
    last = case.last
    verdicts = {**accepted, ending.condition: Verdict(True, ending.reason, ending.message)}
    verdicts[JobCondition.COORDINATOR_READY] = Verdict(False, Reason.JOB_FINISHED, "The job is over.")
    if ending.quorum_missing:
        verdicts[JobCondition.QUORUM_REACHED] = Verdict(False, Reason.QUORUM_NOT_REACHED, ending.message)
    for kind in (JobCondition.SUSPENDED, JobCondition.NODE_LOST):
        if conditions.is_true(case.before, kind):
            verdicts[kind] = Verdict(False, Reason.JOB_FINISHED, "The job is over.")
    status = case.status(
        ending.phase,
        verdicts,
        completion_time=times.written(case.now),
        invitation=None,
        resolved=case.resolved,
        result=ending.result or case.before.result,
        restarts=max(case.before.restarts or 0, 0 if last is None else last.number - 1),
    )
    still_runs = last is not None and last.ended_at is None and not last.deleting
    status = progress.progressed(status, case.accepted.resolved, case.observed.report)
    return Plan(
        progress.ended(status, case.accepted.resolved, ending.word),
        withdraw=True,
        delete=(case.ref.attempt(last.number),) if last is not None and still_runs else (),
        own_claim=ending.condition is JobCondition.COMPLETE and storage.is_deleted_once_exported(case.accepted.job),
    )
