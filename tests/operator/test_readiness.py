"""Why a coordinator is ready or not ready."""

from __future__ import annotations

import pytest
from fedjobs_api.conditions import Reason
from fedjobs_common.jobs.statuses import Phase
from fedjobs_operator.planning.conditions import coordinator_ready, crashed
from fedjobs_operator.planning.observations import Observed

from tests.operator.attempts import NOON, AnAttempt, a_final_word, an_attempt, at

SCHEDULER_WAITS_FOR_STORAGE = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."


def verdict(attempt: AnAttempt | None, *, claim: str = "Bound", after: float = 0) -> tuple[bool | None, str, str]:
    observed = Observed(claim_phase=claim, claimed_at=NOON)
    found = coordinator_ready(observed, None if attempt is None else attempt.observed, at(after))
    return found.is_true, found.reason, found.message


@pytest.mark.parametrize("attempt", [None, an_attempt().without_pod(), an_attempt()], ids=["no Job", "no pod", "a pod"])
def test_a_new_coordinator_is_starting(attempt: AnAttempt | None) -> None:
    assert verdict(attempt)[:2] == (False, Reason.POD_STARTING)


def test_a_ready_pod_listens() -> None:
    assert verdict(an_attempt().ready())[:2] == (True, Reason.LISTENING)


@pytest.mark.parametrize("waiting", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled(waiting: str) -> None:
    is_true, reason, message = verdict(an_attempt().waiting(waiting, "no such image."))
    assert (is_true, reason) == (False, Reason.IMAGE_PULL_BACK_OFF)
    assert message.startswith(f"{waiting}: no such image. Correct the coordinator image")


def test_a_container_with_a_missing_secret_is_reported() -> None:
    found = verdict(an_attempt().waiting("CreateContainerConfigError", 'secret "credentials" not found'))
    assert found[1] == Reason.CREATE_CONTAINER_ERROR
    assert 'secret "credentials" not found' in found[2]


def test_storage_that_does_not_bind_is_reported_after_a_delay() -> None:
    waiting = an_attempt().unschedulable(SCHEDULER_WAITS_FOR_STORAGE)
    assert verdict(waiting, claim="Pending", after=14)[1] == Reason.POD_STARTING
    found = verdict(waiting, claim="Pending", after=15)
    assert found[1] == Reason.CLAIM_NOT_BOUND
    assert "spec.coordinator.storage.storageClassName" in found[2]


def test_storage_that_waits_for_an_unscheduled_pod_is_not_the_reason() -> None:
    """Claims of many storage classes bind only after their pod has a node."""
    waiting = an_attempt().unschedulable("0/1 nodes are available: 1 Insufficient memory.")
    is_true, reason, message = verdict(waiting, claim="Pending", after=60)
    assert (is_true, reason) == (False, Reason.UNSCHEDULABLE)
    assert "Insufficient memory" in message
    assert "spec.coordinator.resources" in message


def test_a_suspended_coordinator_needs_no_storage_yet() -> None:
    assert verdict(an_attempt().suspended(), claim="Pending", after=600)[1] == Reason.POD_STARTING


def test_an_unschedulable_pod_is_reported_after_a_delay() -> None:
    waiting = an_attempt().unschedulable("1 node(s) didn't match Pod's node affinity/selector.")
    assert verdict(waiting, after=14)[1] == Reason.POD_STARTING
    assert verdict(waiting, after=15)[1] == Reason.UNSCHEDULABLE


@pytest.mark.parametrize(
    ("attempt", "reason", "words"),
    [
        (an_attempt(2).crashed(exit_code=139), Reason.CRASHED, "Attempt 2 exited with code 139."),
        (an_attempt(2).crashed(reason="OOMKilled"), Reason.OUT_OF_MEMORY, "Attempt 2 ran out of memory."),
        (an_attempt(2).crashed().without_pod(), Reason.CRASHED, "Attempt 2 failed: It has failed."),
        (
            an_attempt(2).crashed(exit_code=4, says=a_final_word(Phase.FAILED, message="Busy.").to_json().decode()),
            Reason.CRASHED,
            "Attempt 2 exited with code 4. Busy.",
        ),
    ],
)
def test_how_an_attempt_crashed(attempt: AnAttempt, reason: Reason, words: str) -> None:
    found = crashed(attempt.observed)
    assert (found.is_true, found.reason) == (False, reason)
    assert found.message.startswith(words)
