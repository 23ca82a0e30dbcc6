"""When a silo is asked again after a failure or a refusal, under virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fedjobs_common.ids import Digest, SiloName
from fedjobs_coordinator.aggregation.outcomes import Failure, Retry
from fedjobs_coordinator.sessions.refusals import (
    FIRST_REST_S,
    LONGEST_REST_S,
    MOST_RUNS,
    Refusals,
    retry_of_code,
    retry_of_rule,
)
from hypothesis import given
from hypothesis import strategies as st

A, B = SiloName("a"), SiloName("b")
SHARD, OTHER = Digest("aa" * 32), Digest("bb" * 32)
NEVER = Failure("policy.computations.operations", "no PyFunc", Retry.NEVER)
INPUTS = Failure("ReportNotFinite", "NaN", Retry.OTHER_INPUTS)
LATER = Failure("DiskFull", "no space", Retry.LATER)


@pytest.mark.parametrize(
    ("rule", "retry"),
    [
        ("policy.limits.uploadBytesPerDay", Retry.LATER),
        ("policy.limits.uploadBytesPerJob", Retry.NEVER),
        ("policy.limits.roundsPerJob", Retry.NEVER),
        ("policy.computations.operations", Retry.NEVER),
        ("policy.minClients", Retry.NEVER),
        ("", Retry.NEVER),
    ],
)
def test_only_limits_of_a_day_can_pass(rule: str, retry: Retry) -> None:
    assert retry_of_rule(rule) is retry


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("DataNotFound", Retry.LATER),
        ("DiskFull", Retry.LATER),
        ("Unavailable", Retry.LATER),
        ("RunnerFailed", Retry.LATER),
        ("KeptValuesLost", Retry.LATER),
        ("DataMalformed", Retry.NEVER),
        ("SchemaMismatch", Retry.NEVER),
        ("ShardRefused", Retry.NEVER),
        ("ShardFailed", Retry.OTHER_INPUTS),
        ("of a later release", Retry.OTHER_INPUTS),
    ],
)
def test_a_failure_of_the_environment_can_pass(code: str, retry: Retry) -> None:
    assert retry_of_code(code) is retry


def test_a_refused_shard_is_final_for_all_invocations_of_plans_with_it() -> None:
    refusals = Refusals()
    refusals.add("first", SHARD, A, NEVER, now=0)
    for invocation in ("first", "second"):
        assert refusals.refused(invocation, (OTHER, SHARD)) == {A: NEVER}
        assert refusals.refused(invocation, (OTHER,)) == {}


def test_a_failure_with_the_inputs_of_an_invocation_ends_with_it() -> None:
    refusals = Refusals()
    refusals.add("first", SHARD, A, INPUTS, now=0)
    refusals.add("first", OTHER, B, INPUTS, now=0)
    assert refusals.refused("first", (SHARD, OTHER)) == {A: INPUTS, B: INPUTS}
    assert refusals.refused("second", (SHARD, OTHER)) == {}


def test_a_silo_rests_longer_with_each_failure_and_shortly_again_after_it_worked() -> None:
    refusals, now, rests = Refusals(), 0.0, []
    for _ in range(20):
        refusals.add("call", SHARD, A, LATER, now)
        began = now
        while refusals.resting((SHARD,), now):
            now += 1
        rests.append(now - began)
    assert rests[:4] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S, 8 * FIRST_REST_S]
    assert rests[-1] == LONGEST_REST_S
    refusals.worked(SHARD, A)
    refusals.add("call", SHARD, A, LATER, now)
    assert not refusals.resting((SHARD,), now + FIRST_REST_S)


def test_a_silo_that_rests_because_of_one_stage_takes_part_in_none() -> None:
    refusals = Refusals()
    refusals.add("call", OTHER, A, LATER, now=0)
    assert refusals.resting((SHARD, OTHER), 1) == {A: LATER}
    assert refusals.resting((SHARD,), 1) == {}


def test_a_silo_that_joins_again_is_asked_at_once() -> None:
    refusals = Refusals()
    refusals.add("call", SHARD, A, LATER, now=0)
    refusals.add("call", SHARD, B, NEVER, now=0)
    for silo in (A, B):
        refusals.joined(silo)
    assert not refusals.resting((SHARD,), 1)
    assert not refusals.refused("call", (SHARD,))


def test_kept_values_that_were_lost_with_a_session_need_no_rest() -> None:
    refusals = Refusals()
    refusals.add("call", SHARD, A, Failure("KeptValuesLost", "restarted"), now=0)
    assert not refusals.resting((SHARD,), 0)


def test_a_silo_that_loses_kept_values_each_time_rests_also_if_it_joins_again() -> None:
    refusals, now, rests = Refusals(), 0.0, []
    for _ in range(4):
        refusals.add("call", OTHER, A, Failure("KeptValuesLost", "restarted"), now)
        refusals.joined(A)
        began = now
        while refusals.resting((SHARD, OTHER), now):
            now += 1
        rests.append(now - began)
        refusals.worked(SHARD, A)  # the first stage
    assert rests == [0, FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    refusals.worked(OTHER, A)
    refusals.add("call", OTHER, A, Failure("KeptValuesLost", "restarted"), now)
    assert not refusals.resting((OTHER,), now)


def test_refusals_of_a_program_with_new_shards_in_each_round_are_bounded() -> None:
    refusals = Refusals()
    shards = tuple(Digest(f"{number:064x}") for number in range(3000))
    for number, shard in enumerate(shards):
        refusals.add(f"call {number}", shard, A, LATER, now=0)
        refusals.add(f"call {number}", shard, B, NEVER, now=0)
    assert sum(bool(refusals.resting((shard,), 1)) for shard in shards) < 1000
    assert sum(bool(refusals.refused("call", (shard,))) for shard in shards) < 1000
    assert refusals.refused("call", shards[-64:]) == {B: NEVER}


def test_a_computation_that_kills_the_runner_is_not_asked_for_without_end() -> None:
    refusals = Refusals()
    dead = Failure("RunnerFailed", "out of memory", retry_of_code("RunnerFailed"))
    for number in range(1, MOST_RUNS + 1):
        assert refusals.refused("call", (SHARD,)) == {}
        refusals.add("call", SHARD, A, dead, now=1000.0 * number)
    assert refusals.refused("call", (SHARD,)).keys() == {A}
    assert refusals.refused("another", (SHARD,)) == {}


@dataclass
class _Silo:
    """What must hold for one silo and shard, kept apart from the code under test."""

    final: bool = False
    asked_again: float = 0.0
    rests: list[float] = field(default_factory=list)


@given(
    st.lists(
        st.tuples(st.sampled_from(["never", "later", "worked", "joined"]), st.floats(0, 1000, allow_nan=False)),
        max_size=30,
    )
)
def test_in_each_history_a_silo_is_asked_again_unless_it_refused_for_good(history: list[tuple[str, float]]) -> None:
    refusals, now, silo = Refusals(), 0.0, _Silo()
    for event, seconds in history:
        now += seconds
        if event == "never":
            refusals.add("call", SHARD, A, NEVER, now)
            silo.final = True
        elif event == "later":
            refusals.add("call", SHARD, A, LATER, now)
            seconds_off = min(LONGEST_REST_S, FIRST_REST_S * 2 ** len(silo.rests))
            silo.rests.append(seconds_off)
            silo.asked_again = now + seconds_off
        elif event == "worked":
            refusals.worked(SHARD, A)
            silo.rests, silo.asked_again = [], 0.0
        else:
            refusals.joined(A)
            silo = _Silo()
        assert (A in refusals.refused("call", (SHARD,))) == silo.final
        assert (A in refusals.resting((SHARD,), now)) == (now < silo.asked_again)
        assert A not in refusals.resting((SHARD,), now + LONGEST_REST_S)
