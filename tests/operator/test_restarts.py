"""What follows a crash of the coordinator."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fedjobs_api.conditions import JobCondition, Reason
from fedjobs_api.statuses import FederatedJobStatus, JobPhase
from fedjobs_common.jobs.statuses import Phase

from tests.operator.attempts import a_final_word, an_attempt, at
from tests.operator.builders import a_job, a_report, condition, coordinator_jobs, is_invited, running, said

OOM = an_attempt(1).crashed(exit_code=137, reason="OOMKilled")


def test_a_crash_is_followed_by_another_attempt_immediately() -> None:
    plan = running(a_job()).with_attempts(an_attempt(1).crashed()).at(100).plan()
    assert coordinator_jobs(plan) == ["digits-coordinator-2"]
    assert (plan.status.attempt, plan.status.restarts, plan.status.phase) == (2, 1, JobPhase.STARTING)
    assert plan.follow is False


def test_no_invitation_is_withdrawn_while_the_coordinator_restarts() -> None:
    plan = running(a_job()).with_attempts(an_attempt(1).crashed()).at(100).plan()
    assert plan.withdraw is False


def test_a_crash_of_the_second_attempt_is_followed_by_a_delay() -> None:
    look = running(a_job()).with_attempts(an_attempt(1).crashed(after=50), an_attempt(2).crashed(exit_code=139))
    plan = look.at(101).plan()
    assert (coordinator_jobs(plan), plan.look_again) == ([], at(102))
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert (found.reason, found.message) == (Reason.CRASHED, "Attempt 2 exited with code 139.")
    assert coordinator_jobs(look.at(102).plan()) == ["digits-coordinator-3"]


def test_a_pod_that_ended_changes_nothing_until_its_job_says_what_follows() -> None:
    look = running(a_job()).hearing(a_report(round=7))
    plan = look.with_attempts(an_attempt(1).exited(137)).plan()
    assert (plan.status, plan.apply, plan.delete) == (FederatedJobStatus.model_validate(look.status), (), ())
    assert plan.follow  # the last report goes into the last status


def test_a_pod_that_ended_is_reported_even_if_its_job_says_nothing() -> None:
    ended = running(a_job().with_deadline(1000)).with_attempts(an_attempt(1).exited(137, after=50))
    assert ended.at(60).plan().look_again == at(65)
    plan = ended.at(65).plan()
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert (found.status, found.reason) == ("False", Reason.POD_STARTING)
    assert "terminated. Its Job creates a new pod" in found.message
    assert plan.look_again is not None


@pytest.mark.parametrize(
    ("code", "reason", "how"),
    [
        (74, Reason.STORAGE_FAILED, "It is retried with increasing delays. The computed result is kept."),
        (4, Reason.START_FAILED, "It is retried with increasing delays."),
    ],
)
def test_exit_codes_that_are_no_crash_are_reported_and_not_counted(code: int, reason: Reason, how: str) -> None:
    """The Job itself creates the next pod. See the rules of `children.coordinator_jobs`."""
    word = a_final_word(Phase.EXPORTING, message="The bucket is away.").to_json().decode()
    look = running(a_job().with_backoff_limit(0)).with_attempts(an_attempt(1).exited(code, says=word, after=50))
    plan = look.at(50).plan()
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert (found.status, found.reason, found.message) == ("False", reason, f"The bucket is away. {how}")
    assert (plan.status.phase, plan.status.restarts) == (JobPhase.STARTING, 0)
    assert (coordinator_jobs(plan), plan.withdraw, plan.delete) == ([], False, ())


def test_an_unreachable_coordinator_is_unknown_and_keeps_its_silos() -> None:
    look = replace(running(a_job()).hearing(a_report(round=3)).then(), connection_error="No route to host.")
    plan = look.plan()
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert (found.status, found.reason) == ("Unknown", Reason.COORDINATOR_UNREACHABLE)
    assert "No route to host. Check whether a NetworkPolicy blocks" in found.message
    assert (plan.follow, is_invited(plan), plan.status.completed_rounds) == (True, True, 3)
    heard = replace(look.then(), connection_error="")
    assert said(heard.plan().status, JobCondition.COORDINATOR_READY) == ("True", Reason.LISTENING)


def test_a_job_that_was_deleted_by_hand_is_created_again_only_after_its_pod_has_ended() -> None:
    deleting = running(a_job()).with_attempts(an_attempt(1).ready().being_deleted())
    plan = deleting.plan()
    assert coordinator_jobs(plan) == []
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert (found.status, "is being deleted" in found.message) == ("False", True)
    assert coordinator_jobs(deleting.then().with_attempts().plan()) == ["digits-coordinator-1"]


def test_a_pod_that_was_deleted_with_its_job_is_no_crash() -> None:
    killed = an_attempt(1).crashed(exit_code=137).being_deleted()
    plan = running(a_job().with_backoff_limit(0)).with_attempts(killed).at(200).plan()
    assert (plan.status.phase, coordinator_jobs(plan)) == (JobPhase.STARTING, [])


def test_a_coordinator_out_of_memory_is_a_reason_with_a_remedy() -> None:
    plan = running(a_job()).with_attempts(OOM).plan()
    found = condition(plan.status, JobCondition.COORDINATOR_READY)
    assert found is not None
    assert found.reason == Reason.OUT_OF_MEMORY
    assert "Raise spec.coordinator.resources.limits.memory" in found.message


def test_the_reason_for_a_crash_stays_until_the_next_attempt_listens() -> None:
    look = running(a_job()).with_attempts(OOM).then()
    starting = look.with_attempts(OOM, an_attempt(2))
    assert said(starting.plan().status, JobCondition.COORDINATOR_READY) == ("False", Reason.OUT_OF_MEMORY)
    listening = starting.then().with_attempts(OOM, an_attempt(2).ready())
    assert said(listening.plan().status, JobCondition.COORDINATOR_READY) == ("True", Reason.LISTENING)


def test_a_problem_of_the_next_attempt_replaces_the_earlier_crash() -> None:
    look = running(a_job()).with_attempts(OOM).then()
    plan = look.with_attempts(OOM, an_attempt(2).waiting("ImagePullBackOff", "no such image.")).plan()
    assert said(plan.status, JobCondition.COORDINATOR_READY) == ("False", Reason.IMAGE_PULL_BACK_OFF)


def test_an_old_crash_is_not_reported_again_when_a_suspended_job_is_resumed() -> None:
    second = running(a_job()).with_attempts(OOM).then().with_attempts(OOM, an_attempt(2).ready()).then()
    suspended = second.but(a_job().suspended()).with_attempts(OOM, an_attempt(2).suspended()).then()
    resumed = suspended.but(a_job()).with_attempts(OOM, an_attempt(2).without_pod())
    assert said(resumed.plan().status, JobCondition.COORDINATOR_READY) == ("False", Reason.POD_STARTING)


def test_backoff_limit_0_means_failed_after_the_first_crash() -> None:
    plan = running(a_job().with_backoff_limit(0)).with_attempts(an_attempt(1).crashed(exit_code=139)).plan()
    found = condition(plan.status, JobCondition.FAILED)
    assert found is not None
    assert (found.status, found.reason) == ("True", Reason.BACKOFF_LIMIT_EXCEEDED)
    assert found.message == (
        "Attempt 1 exited with code 139. The coordinator was restarted 0 times (spec.backoffLimit)."
    )
    assert (plan.status.phase, plan.status.restarts) == (JobPhase.FAILED, 0)
    assert (plan.withdraw, plan.delete, coordinator_jobs(plan)) == (True, (), [])


def test_backoff_limit_3_means_failed_after_the_fourth() -> None:
    attempts = [an_attempt(number).crashed() for number in (1, 2, 3, 4)]
    look = running(a_job().with_backoff_limit(3)).at(1000)
    assert coordinator_jobs(look.with_attempts(*attempts[:3]).plan()) == ["digits-coordinator-4"]
    plan = look.with_attempts(*attempts).plan()
    assert said(plan.status, JobCondition.FAILED) == ("True", Reason.BACKOFF_LIMIT_EXCEEDED)
    assert plan.status.restarts == 3


def test_a_higher_backoff_limit_counts_as_long_as_the_job_has_not_failed() -> None:
    look = running(a_job().with_backoff_limit(0))
    edited = look.but(a_job().with_backoff_limit(0).edited("spec.backoffLimit", 1))
    assert coordinator_jobs(edited.with_attempts(an_attempt(1).crashed()).at(100).plan()) == ["digits-coordinator-2"]


def test_out_of_memory_stays_the_reason_when_the_job_fails_because_of_it() -> None:
    plan = running(a_job().with_backoff_limit(0)).with_attempts(OOM).plan()
    assert said(plan.status, JobCondition.FAILED) == ("True", Reason.OUT_OF_MEMORY)


def test_a_deleted_job_is_created_again_as_the_same_attempt() -> None:
    plan = running(a_job()).with_attempts().plan()
    assert (coordinator_jobs(plan), plan.status.restarts) == (["digits-coordinator-1"], 0)


def test_a_pod_of_a_lost_node_is_a_condition_with_a_remedy() -> None:
    lost = an_attempt(1).ready().deleted_pod(after=30)
    look = running(a_job()).with_attempts(lost)
    assert said(look.at(89).plan().status, JobCondition.NODE_LOST) is None
    found = condition(look.at(90).plan().status, JobCondition.NODE_LOST)
    assert found is not None
    assert (found.status, found.reason) == ("True", Reason.NODE_UNREACHABLE)
    assert "kubectl taint node node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute" in found.message


def test_a_lost_node_that_returns_ends_the_condition() -> None:
    look = running(a_job()).with_attempts(an_attempt(1).ready().deleted_pod(after=30)).at(90).then()
    status = look.with_attempts(an_attempt(1).ready()).plan().status
    found = condition(status, JobCondition.NODE_LOST)
    assert found is not None
    assert found.status == "False"
    assert found.message == ""


def test_a_pod_that_is_being_deleted_is_checked_again_when_its_node_should_have_responded() -> None:
    plan = running(a_job()).with_attempts(an_attempt(1).ready().deleted_pod(after=30)).at(40).plan()
    assert plan.look_again == at(90)
