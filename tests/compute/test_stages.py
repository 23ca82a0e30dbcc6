"""Aggregations that depend on others: stages, and values of clients that stay in the silo between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.digests import raw
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.plans import KeptInput
from fedjobs_compute.shards import parse

from tests.compute import computations as c
from tests.compute.interpreter import Interpreter

INT_AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
NUMBERS = tff.SequenceType(np.int32)
NUMBERS_AT_CLIENTS = tff.FederatedType(NUMBERS, tff.CLIENTS)


@tff.tensorflow.computation(np.int32, np.int32)
def added(a: Any, b: Any) -> Any:
    return a + b


@tff.tensorflow.computation(np.int32, np.int32)
def times(a: Any, b: Any) -> Any:
    return a * b


@tff.tensorflow.computation(NUMBERS)
def total(numbers: Any) -> Any:
    return numbers.reduce(np.int32(0), lambda a, b: a + b)


def broadcast_sum(values: Any) -> Any:
    return tff.federated_broadcast(tff.federated_sum(values))


@tff.federated_computation(INT_AT_CLIENTS)
def three_phases(values: Any) -> Any:
    """Sums x, then x * s1, then x * s1 + s2: each sum needs the one before."""
    scaled = tff.federated_map(times, (values, broadcast_sum(values)))
    shifted = tff.federated_map(added, (scaled, broadcast_sum(scaled)))
    return tff.federated_sum(shifted)


@tff.federated_computation(INT_AT_CLIENTS)
def with_a_random_value(values: Any) -> Any:
    """Each client draws a number once. The second sum must see the numbers of the first."""

    @tff.tensorflow.computation(np.int32)
    def drawn(value: Any) -> Any:
        return value * 0 + tf.random.uniform([], 0, 1 << 20, tf.int32)

    @tff.tensorflow.computation(np.int32, np.int32)
    def less(value: Any, mean: Any) -> Any:
        return value * 0 + mean, value

    noise = tff.federated_map(drawn, values)
    first = tff.federated_sum(noise)
    again = tff.federated_map(less, (noise, tff.federated_broadcast(first)))
    return first, tff.federated_sum(again)


@tff.federated_computation(NUMBERS_AT_CLIENTS)
def with_a_dataset(values: Any) -> Any:
    """Keeps a dataset that depends on a variable, which each client sets to another number."""

    @tff.tensorflow.computation(NUMBERS)
    def shifted(numbers: Any) -> Any:
        first = tf.Variable(numbers.reduce(np.int32(0), tf.maximum))
        return numbers.map(lambda n: n + first)

    @tff.tensorflow.computation(NUMBERS, np.int32)
    def scaled(numbers: Any, factor: Any) -> Any:
        return numbers.reduce(np.int32(0), lambda a, b: a + b * factor)

    moved = tff.federated_map(shifted, values)
    first = tff.federated_broadcast(tff.federated_sum(tff.federated_map(total, moved)))
    return tff.federated_sum(tff.federated_map(scaled, (moved, first)))


@tff.federated_computation(INT_AT_CLIENTS, INT_AT_CLIENTS)
def zipped_twice(values: Any, others: Any) -> Any:
    pairs = tff.federated_zip((values, others))
    first = tff.federated_broadcast(tff.federated_sum(tff.federated_map(times, pairs)))
    return tff.federated_sum(tff.federated_map(added, (tff.federated_map(added, pairs), first)))


def test_a_variance_has_two_stages_and_the_result_of_numpy() -> None:
    values = np.array([1, 2, 4, 9], np.float32)
    interpreter = Interpreter(c.variance)
    assert len(interpreter.plan.stages) == 2
    assert interpreter(list(values)) == np.var(values)


def test_three_dependent_sums_have_three_stages() -> None:
    values = np.array([1, 2, 3], np.int32)
    scaled = values * values.sum()
    interpreter = Interpreter(three_phases)
    assert len(interpreter.plan.stages) == 3
    assert interpreter(list(values)) == (scaled + scaled.sum()).sum()


def test_independent_sums_share_a_stage() -> None:
    assert len(plan(c.extremes).stages) == 1


def test_a_random_value_is_drawn_once_and_kept() -> None:
    first, (means, second) = Interpreter(with_a_random_value)([np.int32(0)] * 3)
    assert first == second
    assert means == 3 * first


def test_a_kept_dataset_has_the_elements_of_its_own_client() -> None:
    clients = [np.array(x, np.int32) for x in ([1, 2], [10], [], [5, 5, 5])]
    moved = [x + x.max(initial=0) for x in clients]
    first = sum(int(x.sum()) for x in moved)
    assert Interpreter(with_a_dataset)([list(x) for x in clients]) == first * first


def test_a_zip_keeps_nothing_because_it_computes_nothing() -> None:
    interpreter = Interpreter(zipped_twice)
    assert [stage.kept_outputs for stage in interpreter.plan.stages] == [(), ()]
    assert interpreter([1, 2], [3, 4]) == (1 + 3 + 11) + (2 + 4 + 11)


def test_a_shard_names_the_shard_that_keeps_its_inputs() -> None:
    first, second = plan(with_a_random_value).stages
    (kept,) = parse(second.shard).kept_inputs
    assert (kept.shard, kept.output) == (raw(first.digest), 0)
    assert second.kept_inputs == (KeptInput(0, 0),)
    assert first.kept_outputs == (kept.type,)
    assert not second.client_inputs


def test_planning_again_gives_the_same_shards() -> None:
    assert [s.digest for s in plan(three_phases).stages] == [s.digest for s in plan(three_phases).stages]


@pytest.mark.parametrize(("computation", "expected"), [(three_phases, 0), (with_a_random_value, (0, (0, 0)))])
def test_without_clients_all_sums_are_zero(computation: Any, expected: Any) -> None:
    assert Interpreter(computation)([]) == expected
