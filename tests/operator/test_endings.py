"""How jobs end, and what the operator does then."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import JobPhase
from fedjobs_common.jobs.statuses import Phase, SiloState, SiloStatus
from fedjobs_operator.planning.plans import Plan

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import (
    AJob,
    ALook,
    a_job,
    a_report,
    condition,
    coordinator_jobs,
    is_invited,
    running,
    said,
)

TO_A_CLAIM = a_job().writing_to_the_claim("models", "digits/v1")


def complete(job: AJob | None = None, *, result: str = "file:///state/result") -> ALook:
    attempt = an_attempt(1).complete(result=result, round=20, computation="cd" * 32, after=100)
    return running(job or a_job()).with_attempts(attempt).at(101)


def test_a_coordinator_that_is_complete_completes_the_job() -> None:
    plan = complete().plan()
    assert said(plan.status, JobCondition.COMPLETE) == ("True", Reason.RESULT_EXPORTED)
    assert said(plan.status, JobCondition.COORDINATOR_READY) == ("False", Reason.JOB_FINISHED)
    assert (plan.status.phase, plan.status.completed_rounds, plan.status.computation_digest) == (
        JobPhase.COMPLETE,
        20,
        "cd" * 32,
    )
    assert plan.status.completion_time == "2026-01-31T12:01:41Z"
    assert (plan.withdraw, plan.delete, is_invited(plan), plan.follow) == (True, (), False, False)


@pytest.mark.parametrize(
    ("job", "said_by_the_coordinator", "told"),
    [
        (a_job(), "file:///state/result", "pvc://team/digits-coordinator-0f8e7d6c/result"),
        (TO_A_CLAIM, "file:///output/digits/v1", "pvc://team/models/digits/v1"),
        (a_job().writing_to_the_claim("models"), "file:///output/", "pvc://team/models/"),
        (a_job().writing_to("s3://models/digits"), "s3://models/digits", "s3://models/digits"),
    ],
    ids=["no output", "a folder of a claim", "a claim", "s3"],
)
def test_the_results_location_is_reported_for_clients_outside_the_pod(
    job: AJob, said_by_the_coordinator: str, told: str
) -> None:
    result = complete(job, result=said_by_the_coordinator).plan().status.result
    assert result is not None
    assert (result.uri, result.digest) == (told, "ab" * 32)


def test_the_last_report_is_in_the_last_status() -> None:
    plan = complete().hearing(a_report(Phase.COMPLETE, round=20, metrics={"loss": 0.125})).plan()
    assert (plan.status.metrics, plan.status.ready_silos, plan.status.total_silos) == ({"loss": "0.125"}, 2, 2)


def test_silos_and_metrics_come_from_the_termination_message_if_the_last_rounds_were_not_reported() -> None:
    silos = [SiloStatus(name=f"hospital-{x}", state=SiloState.READY, device="cpu", clients=5) for x in "ab"]
    attempt = an_attempt(1).complete(round=2, rounds=2, silos=silos, metrics={"train/loss": 0.25})
    waiting = [SiloStatus(name="hospital-a", state=SiloState.INVITED)]
    look = complete().with_attempts(attempt).hearing(a_report(Phase.WAITING_FOR_SILOS, round=0, silos=waiting))
    status = look.plan().status
    assert [(row.name, row.device, row.clients) for row in status.silos or ()] == [
        ("hospital-a", "cpu", 5),
        ("hospital-b", "cpu", 5),
    ]
    assert (status.ready_silos, status.total_silos) == (2, 2)
    assert (status.completed_rounds, status.total_rounds, status.metrics) == (2, 2, {"train/loss": "0.25"})


def test_without_a_pod_the_last_report_counts_as_the_termination_message() -> None:
    look = complete().with_attempts(an_attempt(1).complete().without_pod())
    assert look.hearing(a_report(Phase.COMPLETE, round=20)).plan().status.completed_rounds == 20
    assert look.plan().status.phase is JobPhase.COMPLETE


@pytest.mark.parametrize(
    ("job", "uri"),
    [
        (a_job(), "pvc://team/digits-coordinator-0f8e7d6c/result"),
        (TO_A_CLAIM, "pvc://team/models/digits/v1"),
        (a_job().writing_to("s3://models/digits"), "s3://models/digits"),
    ],
    ids=["no output", "a claim", "s3"],
)
def test_without_a_report_of_the_result_its_location_comes_from_the_spec(job: AJob, uri: str) -> None:
    plan = running(job).with_attempts(an_attempt(1).complete().without_pod()).plan()
    assert plan.status.result is not None
    assert (plan.status.result.uri, plan.status.result.digest) == (uri, None)
    found = condition(plan.status, JobCondition.COMPLETE)
    assert found is not None
    assert "Its digest is unknown" in found.message


def test_a_job_that_has_ended_has_no_lost_node() -> None:
    look = running(a_job()).with_attempts(an_attempt(1).ready().deleted_pod(after=30)).at(90).then()
    status = look.with_attempts(an_attempt(1).complete()).plan().status
    assert said(status, JobCondition.NODE_LOST) == ("False", Reason.JOB_FINISHED)


def test_a_permanent_failure_has_the_code_of_the_termination_message() -> None:
    failed = an_attempt(1).failed_for_good("UnsupportedComputation", "No silo can read it.", round=2)
    plan = running(a_job()).with_attempts(failed).plan()
    found = condition(plan.status, JobCondition.FAILED)
    assert found is not None
    assert (found.status, found.reason, found.message) == ("True", "UnsupportedComputation", "No silo can read it.")
    assert (plan.status.phase, plan.status.completed_rounds, plan.status.restarts) == (JobPhase.FAILED, 2, 0)
    assert (plan.withdraw, coordinator_jobs(plan)) == (True, [])


def test_a_quorum_that_was_not_reached_is_reported_in_its_condition_too() -> None:
    failed = an_attempt(1).failed_for_good("CohortTooSmall", "hospital-b is missing.")
    found = condition(running(a_job()).with_attempts(failed).plan().status, JobCondition.QUORUM_REACHED)
    assert found is not None
    assert (found.status, found.reason, found.message) == (
        "False",
        Reason.QUORUM_NOT_REACHED,
        "hospital-b is missing.",
    )


def test_a_failure_without_a_termination_message_says_where_to_look() -> None:
    plan = running(a_job()).with_attempts(an_attempt(1).failed_for_good("").without_pod()).plan()
    assert said(plan.status, JobCondition.FAILED) == ("True", "ProgramFailed")


def test_a_deadline_fails_the_job_and_ends_its_coordinator() -> None:
    look = running(a_job().with_deadline(60))
    assert look.at(59).plan().status.phase is JobPhase.STARTING
    plan = look.at(60).plan()
    assert said(plan.status, JobCondition.FAILED) == ("True", Reason.DEADLINE_EXCEEDED)
    assert (plan.delete, plan.withdraw) == (("digits-coordinator-1",), True)


def test_an_export_that_ends_at_the_deadline_counts() -> None:
    """The pod has ended, and its Job says so a moment later."""
    look = running(a_job().with_deadline(60)).with_attempts(an_attempt().ready().exited(0, "Completed", after=59))
    found = look.at(60).plan()
    assert condition(found.status, JobCondition.FAILED) is None
    assert found.look_again == at(74)
    over = look.with_attempts(an_attempt().complete(result="s3://models/digits")).at(61).plan().status
    assert over.phase is JobPhase.COMPLETE
    assert look.at(74).plan().status.phase is JobPhase.FAILED  # the Job has said nothing


def test_a_deadline_schedules_the_next_look() -> None:
    assert running(a_job().with_deadline(60)).plan().look_again == at(60)


def test_a_result_counts_even_if_the_deadline_has_passed() -> None:
    assert complete(a_job().with_deadline(60)).plan().status.phase is JobPhase.COMPLETE


def kept(seconds: int, job: AJob | None = None) -> Plan:
    return complete(job or a_job().kept_for(60)).then().at(101 + seconds).plan()


def test_a_job_that_has_ended_is_deleted_after_its_time_to_live() -> None:
    assert (kept(59).delete_job, kept(59).look_again) == (False, at(161))
    assert (kept(60).delete_job, kept(60).look_again) == (True, None)


def test_a_job_without_a_time_to_live_is_kept() -> None:
    plan = kept(10**9, a_job())
    assert (plan.delete_job, plan.look_again) == (False, None)


def test_a_time_to_live_counts_from_the_jobs_end_and_not_from_the_edit() -> None:
    look = complete().then().but(a_job().edited("spec.ttlSecondsAfterFinished", 10)).at(105)
    assert look.plan().look_again == at(111)


def test_edits_do_not_restart_a_job_that_has_ended() -> None:
    look = complete().then().but(a_job().suspended().edited("spec.program.parameters.rounds", 99))
    plan = look.plan()
    assert (plan.status.phase, plan.status.observed_generation) == (JobPhase.COMPLETE, 2)
    assert (plan.suspend, plan.delete, plan.apply, is_invited(plan)) == ({}, (), (), False)


def test_a_failed_job_is_not_retried() -> None:
    look = running(a_job().with_backoff_limit(0)).with_attempts(an_attempt(1).crashed()).then()
    plan = look.but(a_job().edited("spec.backoffLimit", 9)).at(9999).plan()
    assert (plan.status.phase, plan.apply) == (JobPhase.FAILED, ())
