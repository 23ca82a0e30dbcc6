"""Properties of all plans, and how a job starts."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import JobPhase
from fedjobs_common.jobs.statuses import Phase
from fedjobs_operator.children import config_maps

from tests.operator.attempts import an_attempt, at
from tests.operator.builders import (
    ALook,
    a_job,
    a_look_at,
    a_report,
    a_silo,
    condition,
    coordinator_jobs,
    is_invited,
    kinds,
    running,
    said,
    started,
)

QUEUED = started(a_job().in_a_queue()).with_attempts(an_attempt().suspended()).then()
LOOKS = {
    "new": a_look_at(a_job()),
    "not accepted": a_look_at(a_job()).with_silos(),
    "started": started(a_job()),
    "running": running(a_job()),
    "reporting": running(a_job()).hearing(a_report(round=3, metrics={"train/loss": 0.1})),
    "edited": running(a_job()).but(a_job().edited("spec.program.parameters.rounds", 5)),
    "crashed": running(a_job()).with_attempts(an_attempt().crashed()),
    "crashed and gave up": running(a_job().with_backoff_limit(0)).with_attempts(an_attempt().crashed()),
    "crashed twice": running(a_job()).with_attempts(an_attempt(1).crashed(), an_attempt(2).crashed()),
    "complete": running(a_job()).with_attempts(an_attempt().complete()),
    "kept": running(a_job().kept_for(60)).with_attempts(an_attempt().complete()).then(),
    "failed": running(a_job()).with_attempts(an_attempt().failed_for_good("ProgramFailed")),
    "suspended": running(a_job()).but(a_job().suspended()),
    "suspended from the start": a_look_at(a_job().suspended()),
    "in a queue": QUEUED,
    "being deleted": running(a_job().being_deleted()),
    "its storage does not bind": started(a_job()).with_claim("Pending").at(60),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("later", [0, 30])
def test_planning_again_after_the_status_is_written_gives_the_same_plan(look: ALook, later: float) -> None:
    """Otherwise each written status would cause another write."""
    settled = look.at(200).then().then()
    assert settled.at(200 + later).plan().status == settled.plan().status


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_a_plan_depends_on_its_inputs_only(look: ALook) -> None:
    assert look.plan() == look.plan()


def test_a_new_job_gets_all_its_children() -> None:
    plan = a_look_at(a_job()).plan()
    assert kinds(plan) == ["Service", "NetworkPolicy", "ConfigMap", "PersistentVolumeClaim", "Job"]
    assert coordinator_jobs(plan) == ["digits-coordinator-1"]
    assert not is_invited(plan)
    assert (plan.withdraw, plan.delete, plan.delete_job, plan.follow) == (False, (), False, False)


def test_silos_are_invited_when_the_coordinator_listens() -> None:
    plan = running(a_job()).plan()
    assert is_invited(plan)
    assert [row.name for row in plan.status.silos or ()] == ["hospital-a", "hospital-b"]


def test_the_status_of_a_new_job_has_the_resolution() -> None:
    plan = a_look_at(a_job()).plan()
    assert plan.resolved is not None
    assert list(plan.resolved.silos) == ["hospital-a", "hospital-b"]
    assert plan.status.resolved is not None
    assert plan.status.resolved.digest == config_maps.digest(plan.resolved)
    assert (plan.status.resolved.config_map_ref.name, plan.status.resolved.generation) == ("digits-resolved", 1)


def test_a_new_job_is_starting() -> None:
    status = a_look_at(a_job()).plan().status
    assert (status.phase, status.attempt, status.restarts) == (JobPhase.STARTING, 1, 0)
    assert (status.ready_silos, status.total_silos) == (0, 2)
    assert said(status, JobCondition.ACCEPTED) == ("True", Reason.RESOLVED)
    assert said(status, JobCondition.COORDINATOR_READY) == ("False", Reason.POD_STARTING)
    assert status.start_time == "2026-01-31T12:00:00Z"
    assert status.coordinator is not None
    assert (status.coordinator.address, status.coordinator.server_name, status.coordinator.job_name) == (
        "fedjobs.example.org:443",
        "j-0f8e7d6c5b4a4938.fedjobs.example.org",
        "digits-coordinator-1",
    )


def test_existing_objects_are_not_created_again() -> None:
    assert kinds(started(a_job()).plan()) == ["Service", "NetworkPolicy", "ConfigMap"]


def test_a_listening_coordinator_is_watched() -> None:
    plan = started(a_job()).with_attempts(an_attempt().ready()).plan()
    assert said(plan.status, JobCondition.COORDINATOR_READY) == ("True", Reason.LISTENING)
    assert (plan.follow, plan.look_again) == (True, None)
    assert plan.status.coordinator is not None
    assert plan.status.coordinator.pod_name == "digits-coordinator-1-x7k2p"


def test_a_report_goes_into_the_status() -> None:
    plan = running(a_job()).hearing(a_report(round=3, computation="cd", metrics={"loss": 0.25})).plan()
    assert plan.status.phase is JobPhase.RUNNING
    assert (plan.status.completed_rounds, plan.status.total_rounds) == (3, 20)
    assert (plan.status.ready_silos, plan.status.total_silos) == (2, 2)
    assert (plan.status.computation_digest, plan.status.metrics) == ("cd", {"loss": "0.25"})
    assert said(plan.status, JobCondition.QUORUM_REACHED) == ("True", Reason.QUORUM_REACHED)


def test_an_old_report_does_not_count_while_the_coordinator_is_not_ready() -> None:
    assert started(a_job()).hearing(a_report(round=3)).plan().status.phase is JobPhase.STARTING


def test_the_round_never_decreases() -> None:
    third = running(a_job()).hearing(a_report(round=3)).then()
    assert third.hearing(a_report(Phase.WAITING_FOR_SILOS, round=0)).plan().status.completed_rounds == 3
    assert third.with_attempts(an_attempt().complete(round=1)).plan().status.completed_rounds == 3


def test_a_job_that_is_not_accepted_gets_no_objects() -> None:
    plan = a_look_at(a_job()).with_silos().plan()
    assert (plan.resolved, plan.apply, is_invited(plan), plan.look_again) == (None, (), False, None)
    assert plan.status.phase is JobPhase.PENDING
    assert said(plan.status, JobCondition.ACCEPTED) == ("False", Reason.SILOS_NOT_FOUND)


def test_a_job_is_accepted_as_soon_as_its_silos_exist() -> None:
    waiting = a_look_at(a_job()).with_silos(a_silo("hospital-a")).then()
    plan = waiting.with_silos(a_silo("hospital-a"), a_silo("hospital-b")).at(60).plan()
    assert said(plan.status, JobCondition.ACCEPTED) == ("True", Reason.RESOLVED)
    assert coordinator_jobs(plan) == ["digits-coordinator-1"]
    found = condition(plan.status, JobCondition.ACCEPTED)
    assert found is not None
    assert found.last_transition_time == "2026-01-31T12:01:00Z"


def test_a_deleted_silo_does_not_stop_a_run() -> None:
    plan = running(a_job()).with_silos().plan()
    assert said(plan.status, JobCondition.ACCEPTED) == ("True", Reason.RESOLVED)
    assert is_invited(plan)


def test_a_job_that_is_being_deleted_is_left_to_the_cluster() -> None:
    look = running(a_job()).but(a_job().being_deleted())
    plan = look.plan()
    assert (plan.resolved, plan.apply, plan.follow, plan.delete) == (None, (), False, ())
    assert plan.status == look.then().plan().status


def test_a_starting_coordinator_is_checked_again() -> None:
    assert started(a_job()).plan().look_again == at(15)
    assert started(a_job().with_deadline(10)).plan().look_again == at(10)


def test_a_job_that_waits_for_the_hub_says_so_and_starts_nevertheless() -> None:
    look = started(a_job()).without_a_hub()
    plan = look.plan()
    assert said(plan.status, JobCondition.COORDINATOR_READY) == ("False", Reason.HUB_UNAVAILABLE)
    assert kinds(a_look_at(a_job()).without_a_hub().plan()) == [
        "Service",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Job",
    ]
    listening = look.with_attempts(an_attempt().ready()).plan()
    assert said(listening.status, JobCondition.COORDINATOR_READY) == ("True", Reason.LISTENING)


def test_an_invitation_stays_while_a_coordinator_restarts() -> None:
    again = running(a_job()).with_attempts(an_attempt(1).crashed(), an_attempt(2)).at(100).plan()
    assert is_invited(again)
    assert again.status.invitation == running(a_job()).plan().status.invitation


def test_the_front_door_routes_to_a_coordinator_only_after_its_silos_are_invited() -> None:
    assert kinds(running(a_job()).plan()).count("Service") == 2
    assert kinds(started(a_job()).plan()).count("Service") == 1
