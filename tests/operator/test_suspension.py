"""A job that is suspended, by its spec or by a queue, and resumed."""

from __future__ import annotations

from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import JobPhase

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import (
    ALook,
    a_job,
    a_look_at,
    a_report,
    condition,
    coordinator_jobs,
    is_invited,
    kinds,
    running,
    said,
    started,
)

QUEUED = a_job().in_a_queue()
WAITING = an_attempt(1).in_a_queue().suspended()


def queued() -> ALook:
    """The queue has admitted the job, and its coordinator listens."""
    return started(QUEUED).with_attempts(an_attempt(1).in_a_queue().ready()).then()


def suspended() -> ALook:
    """The job was suspended in round 7, and so was its Job."""
    look = running(a_job()).hearing(a_report(round=7)).then().hearing(None).but(a_job().suspended()).at(50).then()
    return look.with_attempts(an_attempt(1).suspended()).then()


def test_suspending_a_job_suspends_its_coordinator_and_withdraws_its_invitations() -> None:
    plan = running(a_job()).but(a_job().suspended()).plan()
    assert (plan.suspend, plan.withdraw, plan.delete) == ({"digits-coordinator-1": True}, True, ())
    assert (plan.apply, is_invited(plan), plan.follow, plan.look_again) == ((), False, False, None)
    assert (plan.status.phase, plan.status.ready_silos) == (JobPhase.SUSPENDED, 0)
    assert said(plan.status, JobCondition.SUSPENDED) == ("True", Reason.SUSPENDED_BY_SPEC)
    assert said(plan.status, JobCondition.COORDINATOR_READY) == ("False", Reason.SUSPENDED_BY_SPEC)


def test_a_suspended_job_needs_no_further_actions() -> None:
    plan = suspended().plan()
    assert (plan.suspend, plan.delete, plan.apply) == ({}, (), ())
    assert plan.status.completed_rounds == 7


def test_a_job_that_is_suspended_from_the_start_is_only_resolved() -> None:
    plan = a_look_at(a_job().suspended()).plan()
    assert (plan.apply, plan.withdraw, is_invited(plan), plan.suspend) == ((), False, False, {})
    assert plan.resolved is not None
    assert said(plan.status, JobCondition.ACCEPTED) == ("True", Reason.RESOLVED)
    assert plan.status.start_time is None


def test_invitations_are_withdrawn_even_if_the_coordinators_job_was_deleted() -> None:
    assert running(a_job()).with_attempts().but(a_job().suspended()).plan().withdraw


def test_a_resumed_job_continues_as_the_same_attempt_in_the_same_round() -> None:
    plan = suspended().but(a_job()).at(500).plan()
    assert (plan.suspend, coordinator_jobs(plan)) == ({"digits-coordinator-1": False}, [])
    assert plan.withdraw is False
    assert (plan.status.phase, plan.status.completed_rounds, plan.status.attempt) == (JobPhase.STARTING, 7, 1)
    assert said(plan.status, JobCondition.SUSPENDED) == ("False", Reason.RESUMED)


def test_the_deadline_counts_from_the_time_a_job_is_resumed() -> None:
    look = suspended().but(a_job().with_deadline(60)).at(500)
    assert look.plan().status.start_time == "2026-01-31T12:08:20Z"
    assert look.then().at(559).plan().status.phase is not JobPhase.FAILED
    assert said(look.then().at(560).plan().status, JobCondition.FAILED) == ("True", Reason.DEADLINE_EXCEEDED)


def test_a_suspended_job_has_no_deadline() -> None:
    look = suspended().but(a_job().with_deadline(1).suspended())
    assert look.at(5000).plan().status.phase is JobPhase.SUSPENDED


def test_a_crash_before_the_suspension_is_handled_when_the_job_is_resumed() -> None:
    look = suspended().with_attempts(an_attempt(1).crashed())
    assert (look.plan().suspend, look.plan().delete) == ({}, ())
    assert coordinator_jobs(look.but(a_job()).at(500).plan()) == ["digits-coordinator-2"]


def test_the_queues_label_is_passed_on() -> None:
    (job,) = [manifest for manifest in a_look_at(QUEUED).plan().apply if manifest["kind"] == "Job"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert "suspend" not in job["spec"]


def test_a_queue_can_suspend_the_coordinator() -> None:
    plan = queued().with_attempts(WAITING).plan()
    assert (plan.suspend, plan.delete, is_invited(plan), plan.withdraw) == ({}, (), False, True)
    assert plan.status.phase is JobPhase.SUSPENDED
    assert said(plan.status, JobCondition.SUSPENDED) == ("True", Reason.SUSPENDED_BY_QUEUE)


def test_a_queue_that_suspends_a_running_coordinator_ends_the_workers_too() -> None:
    invited = queued().then()
    assert is_invited(invited.plan())
    preempted = invited.with_attempts(WAITING)
    assert not is_invited(preempted.plan())
    admitted = preempted.then().with_attempts(an_attempt(1).in_a_queue().ready())
    assert is_invited(admitted.plan())


def test_the_label_of_the_coordinators_job_at_its_creation_counts() -> None:
    """Users can edit the job's own label. The queue continues to manage the Job."""
    unlabelled = queued().but(a_job()).with_attempts(WAITING).plan()
    assert unlabelled.suspend == {}
    assert said(unlabelled.status, JobCondition.SUSPENDED) == ("True", Reason.SUSPENDED_BY_QUEUE)
    labelled_late = running(a_job()).but(QUEUED.suspended()).plan()
    assert (labelled_late.suspend, labelled_late.delete) == ({"digits-coordinator-1": True}, ())


def test_a_job_that_ended_while_it_was_suspended_has_ended() -> None:
    look = running(a_job()).but(a_job().suspended()).then().with_attempts(an_attempt(1).complete(result="s3://m/d"))
    plan = look.plan()
    assert said(plan.status, JobCondition.COMPLETE) == ("True", Reason.RESULT_EXPORTED)
    assert said(plan.status, JobCondition.SUSPENDED) == ("False", Reason.JOB_FINISHED)
    assert plan.status.phase is JobPhase.COMPLETE


def test_a_job_in_a_queue_has_no_storage_problem_and_no_start_time() -> None:
    look = queued().with_attempts(WAITING).with_claim("Pending").then().at(300)
    status = look.plan().status
    assert said(status, JobCondition.COORDINATOR_READY) == ("False", Reason.POD_STARTING)
    assert status.start_time is None


def test_the_deadline_counts_from_the_time_the_queue_admits_the_coordinator() -> None:
    job = QUEUED.with_deadline(60)
    waiting = running(job).with_attempts(WAITING).then().at(300).then()
    admitted = waiting.with_attempts(an_attempt(1).in_a_queue())
    plan = admitted.plan()
    assert said(plan.status, JobCondition.SUSPENDED) == ("False", Reason.RESUMED)
    assert plan.status.start_time == "2026-01-31T12:05:00Z"


def test_a_job_in_a_queue_is_suspended_by_deleting_its_coordinators_job() -> None:
    """The queue decides whether that Job is suspended."""
    plan = queued().but(QUEUED.suspended()).plan()
    assert (plan.suspend, plan.delete, plan.withdraw) == ({}, ("digits-coordinator-1",), True)


def test_a_job_in_a_queue_is_resumed_with_a_job_of_the_same_attempt() -> None:
    look = queued().but(QUEUED.suspended()).then().with_attempts().then().but(QUEUED)
    plan = look.plan()
    assert coordinator_jobs(plan) == ["digits-coordinator-1"]
    assert (plan.status.attempt, plan.status.restarts) == (1, 0)


def test_the_condition_has_the_time_of_the_suspension() -> None:
    look = suspended()
    found = condition(look.at(90).plan().status, JobCondition.SUSPENDED)
    assert found is not None
    assert found.last_transition_time == "2026-01-31T12:00:50Z"
    resumed = condition(look.but(a_job()).at(90).plan().status, JobCondition.SUSPENDED)
    assert resumed is not None
    assert resumed.last_transition_time == at(90).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_no_claim_is_created_for_a_job_that_never_ran() -> None:
    assert kinds(a_look_at(a_job().suspended()).then().plan()) == []
