"""Conditions from one look to the next."""

from __future__ import annotations

from fedjobs_api.conditions import Condition, JobCondition
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.conditions import Verdict

from tests.operator.attempts import at

READY, COMPLETE = JobCondition.COORDINATOR_READY, JobCondition.COMPLETE


def after(*steps: tuple[float, dict[JobCondition, Verdict]]) -> list[Condition]:
    """The conditions after these verdicts, each at its time; the generation counts the steps."""
    status = FederatedJobStatus()
    for generation, (seconds, verdicts) in enumerate(steps, 1):
        found = conditions.carried_on(status, verdicts, generation, at(seconds))
        status = FederatedJobStatus(conditions=found)
    return list(status.conditions or ())


def test_a_new_condition_has_the_time_of_the_look() -> None:
    (found,) = after((5, {READY: Verdict(False, "PodStarting", "It starts.")}))
    assert found == Condition(
        type="CoordinatorReady",
        status="False",
        observed_generation=1,
        last_transition_time="2026-01-31T12:00:05Z",
        reason="PodStarting",
        message="It starts.",
    )


def test_another_reason_is_no_transition() -> None:
    (found,) = after((5, {READY: Verdict(False, "PodStarting")}), (9, {READY: Verdict(False, "Crashed", "137")}))
    assert (found.reason, found.message, found.observed_generation) == ("Crashed", "137", 2)
    assert found.last_transition_time == "2026-01-31T12:00:05Z"


def test_another_status_is_a_transition() -> None:
    (found,) = after((5, {READY: Verdict(False, "PodStarting")}), (9, {READY: Verdict(True, "Listening")}))
    assert (found.status, found.last_transition_time) == ("True", "2026-01-31T12:00:09Z")


def test_a_condition_of_which_nothing_is_said_stays_as_it_was() -> None:
    found = after((5, {READY: Verdict(True, "Listening")}), (9, {COMPLETE: Verdict(True, "ResultExported")}))
    assert [(c.type, c.observed_generation) for c in found] == [("CoordinatorReady", 1), ("Complete", 2)]


def test_what_cannot_be_known_is_unknown() -> None:
    (found,) = after((5, {READY: Verdict(None, "NodeLost")}))
    assert found.status == "Unknown"


def test_conditions_are_always_in_the_same_order() -> None:
    verdicts = {kind: Verdict(True, "X") for kind in reversed(JobCondition)}
    assert [found.type for found in after((5, verdicts))] == [str(kind) for kind in JobCondition]


def test_a_message_is_not_longer_than_people_read() -> None:
    (found,) = after((5, {READY: Verdict(False, "Crashed", "x" * 100_000)}))
    assert len(found.message) == 1024


def test_a_condition_that_is_not_there_is_not_true_and_has_no_reason() -> None:
    status = FederatedJobStatus()
    assert not conditions.is_true(status, READY)
    assert conditions.reason(status, READY) == ""
