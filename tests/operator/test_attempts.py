"""The decision which attempt to run."""

from __future__ import annotations

import pytest
from fedjobs_operator.planning.attempts import Decision, GaveUp, Over, Run, Wait, decide
from fedjobs_operator.planning.observations import AttemptState

from tests.operator.attempts import AnAttempt, an_attempt, at


def decision_for(*attempts: AnAttempt, at_least: int = 1, backoff_limit: int = 3, after: float = 100) -> Decision:
    return decide([attempt.observed for attempt in attempts], at_least, backoff_limit, at(after))


def crashes(count: int) -> list[AnAttempt]:
    return [an_attempt(number).crashed() for number in range(1, count + 1)]


def test_the_first_attempt_is_number_one() -> None:
    assert decision_for() == Run(1)


@pytest.mark.parametrize(
    "attempt",
    [an_attempt(2), an_attempt(2).without_pod(), an_attempt(2).suspended(), an_attempt(2).exited(137)],
    ids=["starting", "no pod yet", "suspended", "the Job has not said what follows"],
)
def test_an_attempt_that_has_not_ended_continues(attempt: AnAttempt) -> None:
    assert decision_for(attempt) == Run(2)


@pytest.mark.parametrize("attempts", [[], [an_attempt(1).crashed()]], ids=["all are gone", "the last is gone"])
def test_an_attempt_whose_job_was_deleted_is_created_again_with_its_number(attempts: list[AnAttempt]) -> None:
    assert decision_for(*attempts, at_least=2) == Run(2)


def test_the_first_crash_is_followed_immediately_by_an_attempt() -> None:
    assert decision_for(*crashes(1)) == Run(2)


@pytest.mark.parametrize(("crashed", "wait"), [(2, 2), (3, 4), (4, 8), (6, 32), (7, 60), (50, 60)])
def test_after_more_crashes_the_wait_grows_to_a_minute(crashed: int, wait: int) -> None:
    early = decision_for(*crashes(crashed), backoff_limit=99, after=100 + wait - 1)
    assert isinstance(early, Wait)
    assert (early.until, early.last.number) == (at(100 + wait), crashed)
    assert decision_for(*crashes(crashed), backoff_limit=99, after=100 + wait) == Run(crashed + 1)


def test_backoff_limit_0_allows_one_attempt() -> None:
    found = decision_for(*crashes(1), backoff_limit=0)
    assert isinstance(found, GaveUp)
    assert found.last.number == 1


def test_backoff_limit_3_allows_four_attempts() -> None:
    assert decision_for(*crashes(3), after=1000) == Run(4)
    assert isinstance(decision_for(*crashes(4), after=1000), GaveUp)


@pytest.mark.parametrize(
    ("attempt", "state"),
    [
        (an_attempt().complete(), AttemptState.COMPLETE),
        (an_attempt().failed_for_good("ProgramFailed"), AttemptState.FAILED_FOR_GOOD),
    ],
)
def test_an_attempt_that_ended_regularly_is_final(attempt: AnAttempt, state: AttemptState) -> None:
    found = decision_for(attempt)
    assert isinstance(found, Over)
    assert found.last.state is state
