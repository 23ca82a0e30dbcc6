"""How conditions change from one look to the next."""

from __future__ import annotations

from fedjobs_api.conditions import Condition, JobCondition
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_operator.planning import conditions
from fedjobs_operator.planning.conditions import Verdict

from tests.operator.attempts import at

READY, COMPLETE = JobCondition.COORDINATOR_READY, JobCondition.COMPLETE


def after(*steps: tuple[float, dict[JobCondition, Verdict]]) -> list[Condition]:
    """Returns the conditions after these verdicts, each with its time. The generation is the number of the step."""
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


def test_a_condition_without_a_verdict_does_not_change() -> None:
    found = after((5, {READY: Verdict(True, "Listening")}), (9, {COMPLETE: Verdict(True, "ResultExported")}))
    assert [(c.type, c.observed_generation) for c in found] == [("CoordinatorReady", 1), ("Complete", 2)]


def test_a_verdict_of_none_is_unknown() -> None:
    (found,) = after((5, {READY: Verdict(None, "NodeLost")}))
    assert found.status == "Unknown"


def test_conditions_are_always_in_the_same_order() -> None:
    verdicts = {kind: Verdict(True, "X") for kind in reversed(JobCondition)}
    assert [found.type for found in after((5, verdicts))] == [str(kind) for kind in JobCondition]


def test_a_long_message_is_truncated() -> None:
    (found,) = after((5, {READY: Verdict(False, "Crashed", "x" * 100_000)}))
    assert len(found.message) == 1024


def test_a_missing_condition_is_not_true_and_has_no_reason() -> None:
    status = FederatedJobStatus()
    assert not conditions.is_true(status, READY)
    assert conditions.reason(status, READY) == ""
