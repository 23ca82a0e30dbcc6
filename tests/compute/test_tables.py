"""Tables of a graph exist for one call only. Entries of a client or a round are not visible to the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tests.compute.interpreter import Interpreter

PAIR = tff.TensorType(np.int32, [2])
FIRST, SECOND = np.array([1, 2], np.int32), np.array([3, 4], np.int32)


@tff.tensorflow.computation(PAIR, np.int32)
def tenfold(keys: Any, key: Any) -> Any:
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys * 10), -1).lookup(key)


@tff.federated_computation(tff.FederatedType(PAIR, tff.CLIENTS), tff.FederatedType(np.int32, tff.CLIENTS))
def sum_of_looked_up(keys: Any, key: Any) -> Any:
    return tff.federated_sum(tff.federated_map(tenfold, (keys, key)))


@tff.federated_computation(tff.FederatedType(PAIR, tff.SERVER), tff.FederatedType(np.int32, tff.SERVER))
def looked_up_at_the_server(keys: Any, key: Any) -> Any:
    return tff.federated_map(tenfold, (keys, key))


def test_each_client_has_its_own_table() -> None:
    assert Interpreter(sum_of_looked_up)([FIRST, SECOND], [1, 3]) == 10 + 30


def test_each_call_at_the_server_has_its_own_table() -> None:
    interpreter = Interpreter(looked_up_at_the_server)
    assert [interpreter(FIRST, 1), interpreter(SECOND, 3)] == [10, 30]


@pytest.mark.parametrize("named", [True, False])
def test_a_client_does_not_see_the_table_of_the_previous_client(named: bool) -> None:
    @tff.tensorflow.computation(np.int32)
    def count_of_inserted(key: Any) -> Any:
        table = tf.lookup.experimental.MutableHashTable(tf.int32, tf.int32, -1, checkpoint=named)
        with tf.control_dependencies([table.insert(key, key)]):
            return tf.cast(table.size(), tf.int32)

    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def counted(keys: Any) -> Any:
        return tff.federated_sum(tff.federated_map(count_of_inserted, keys))

    interpreter = Interpreter(counted)
    assert [interpreter([5, 6]), interpreter([7, 8])] == [2, 2]
