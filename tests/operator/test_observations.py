"""Conversion of Kubernetes objects to values."""

from __future__ import annotations

import pytest
from fedjobs_common.jobs.statuses import Phase
from fedjobs_operator.planning import observations
from fedjobs_operator.planning.observations import AttemptState, KnownSilo

from tests.operator.attempts import a_final_word, an_attempt, at
from tests.operator.builders import REF


def test_attempts_come_in_the_order_of_their_numbers() -> None:
    ten = [an_attempt(number) for number in (10, 2, 1)]
    found = observations.attempts(REF, [attempt.job for attempt in ten], [])
    assert [attempt.number for attempt in found] == [1, 2, 10]


def test_the_newest_pod_of_an_attempt_counts() -> None:
    attempt = an_attempt()
    assert attempt.pod is not None
    newer = attempt.pod | {"metadata": attempt.pod["metadata"] | {"name": "newer"}}
    newer["metadata"]["creationTimestamp"] = "2026-01-31T13:00:00Z"
    (found,) = observations.attempts(REF, [attempt.job], [newer, attempt.pod])
    assert found.pod is not None
    assert found.pod.name == "newer"


def test_a_pod_of_another_attempt_does_not_count() -> None:
    (found,) = observations.attempts(REF, [an_attempt(2).job], [an_attempt(1).pod or {}])
    assert found.pod is None


def test_a_crash() -> None:
    found = an_attempt().crashed(exit_code=137, reason="OOMKilled", after=7).observed
    assert (found.state, found.ended_at) == (AttemptState.CRASHED, at(7))
    assert found.pod is not None
    assert (found.pod.exit_code, found.pod.exit_reason, found.pod.ended) == (137, "OOMKilled", True)


def test_a_final_word_is_read_from_the_termination_message() -> None:
    pod = an_attempt().complete(round=20, rounds=20).observed.pod
    assert pod is not None
    assert pod.final_word == a_final_word(round=20, rounds=20)


@pytest.mark.parametrize("words", ["", "signal: killed", '{"phase": "Dreaming"}'])
def test_other_messages_are_no_final_word(words: str) -> None:
    pod = an_attempt().crashed(says=words).observed.pod
    assert pod is not None
    assert pod.final_word is None


def test_an_exit_code_that_the_failure_policy_names_is_final() -> None:
    found = an_attempt().failed_for_good("CohortTooSmall", "Two are missing.").observed
    assert found.state is AttemptState.FAILED_FOR_GOOD
    assert found.pod is not None
    assert found.pod.final_word == a_final_word(Phase.FAILED, code="CohortTooSmall", message="Two are missing.")


@pytest.mark.parametrize(
    ("body", "silo"),
    [
        ({"metadata": {"name": "a"}}, KnownSilo("a", {})),
        (
            {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"suspend": True}},
            KnownSilo("a", {"x": "y"}, True),
        ),
        ({"metadata": {"name": "a"}, "status": {"datasets": ["d"]}}, KnownSilo("a", {}, datasets=("d",))),
        ({"metadata": {"name": "a"}, "status": {"datasets": []}}, KnownSilo("a", {}, datasets=())),
    ],
)
def test_a_silo(body: dict[str, object], silo: KnownSilo) -> None:
    assert observations.silo(body) == silo
