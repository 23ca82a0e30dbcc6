"""Computations of several stages, and the number of clients, on real silo processes. The expectations are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tests.compute import computations as c
from tests.compute import test_stages as staged

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("federation")]


@tff.tensorflow.computation(np.float32)
def one(value: Any) -> Any:
    del value
    return tf.constant(1, tf.int32)


@tff.federated_computation(c.FLOAT_AT_CLIENTS)
def number_of_clients(values: Any) -> Any:
    """Its graphs do not use the clients' values, so the planner sends none."""
    return tff.federated_sum(tff.federated_map(one, values))


@tff.federated_computation(c.FLOAT_AT_CLIENTS, c.FLOAT_AT_CLIENTS)
def sum_of_seconds(ignored: Any, values: Any) -> Any:
    del ignored
    return tff.federated_sum(values)


@tff.federated_computation(c.FLOAT_AT_CLIENTS)
def sum_of_a_value_at_clients(values: Any) -> Any:
    return tff.federated_sum(values), tff.federated_sum(tff.federated_value(np.int32(3), tff.CLIENTS))


@tff.federated_computation(staged.INT_AT_CLIENTS)
def counted_by_stage(values: Any) -> Any:
    """The second stage has neither client inputs nor kept values, but depends on the first."""

    @tff.tensorflow.computation(np.int32)
    def plus_one(value: Any) -> Any:
        return value + 1

    first = staged.broadcast_sum(values)
    return tff.federated_sum(tff.federated_map(plus_one, first))


@pytest.mark.parametrize("clients", [0, 1, 2, 3, 5, 8])
def test_a_client_computation_that_ignores_its_data_runs_for_each_client(clients: int) -> None:
    assert number_of_clients([np.float32(0)] * clients) == clients


@pytest.mark.parametrize("clients", [0, 1, 5])
def test_an_ignored_argument_still_says_how_many_clients_there_are(clients: int) -> None:
    values = np.arange(clients, dtype=np.float32)
    assert sum_of_seconds(list(values), list(values)) == values.sum()
    assert sum_of_a_value_at_clients(list(values)) == (values.sum(), 3 * clients)


@pytest.mark.parametrize("clients", [1, 2, 3, 7])
def test_a_variance_over_more_and_fewer_clients_than_silos(clients: int) -> None:
    values = np.arange(clients, dtype=np.float32)
    assert c.variance(list(values)) == pytest.approx(np.var(values), rel=1e-6)


@pytest.mark.parametrize("clients", [0, 1, 2, 7])
def test_each_stage_counts_the_clients(clients: int) -> None:
    values = np.arange(clients, dtype=np.int32)
    scaled = values * values.sum()
    assert staged.three_phases(list(values)) == (scaled + scaled.sum()).sum()
    assert counted_by_stage(list(values)) == clients * (values.sum() + 1)


@pytest.mark.parametrize("clients", [1, 7])
def test_a_random_value_of_each_client_stays_the_same_in_the_next_stage(clients: int) -> None:
    first, (means, second) = staged.with_a_random_value([np.int32(0)] * clients)
    assert first == second
    assert means == clients * first


def test_datasets_are_kept_in_the_silos_too() -> None:
    clients = [np.array(x, np.int32) for x in ([1, 2], [10], [], [5, 5, 5])]
    first = sum(int((x + x.max(initial=0)).sum()) for x in clients)
    assert staged.with_a_dataset([list(x) for x in clients]) == first * first
