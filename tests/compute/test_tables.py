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


def _inserted(table: Any, key: Any) -> Any:
    with tf.control_dependencies([table.insert(key, key)]):
        return tf.cast(table.size(), tf.int32)


def _in_a_function(key: Any) -> Any:
    @tf.function
    def inner(key: Any) -> Any:
        return _inserted(tf.lookup.experimental.MutableHashTable(tf.int32, tf.int32, -1), key)

    return inner(key)


def _without_a_name(key: Any) -> Any:
    @tf.function
    def inner(key: Any) -> Any:
        return _inserted(tf.lookup.experimental.MutableHashTable(tf.int32, tf.int32, -1, checkpoint=False), key)

    return inner(key)


def _two_functions_deep(key: Any) -> Any:
    @tf.function
    def outer(key: Any) -> Any:
        return _in_a_function(key)

    return outer(key)


def _in_a_branch(key: Any) -> Any:
    return tf.cond(key > 0, lambda: _in_a_function(key), lambda: 0)


def _dense(key: Any) -> Any:
    @tf.function
    def inner(key: Any) -> Any:
        return _inserted(tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, -1, -2), tf.cast(key, tf.int64))

    return inner(key)


def _in_a_dataset(key: Any) -> Any:
    """Counts the distinct keys of a dataset with a table in the function that maps it."""
    keys = tf.data.Dataset.from_tensors(key).repeat(3)
    return keys.map(_in_a_function).reduce(0, tf.maximum)


@pytest.mark.parametrize(
    "count", [_in_a_function, _without_a_name, _two_functions_deep, _in_a_branch, _dense, _in_a_dataset]
)
def test_a_table_in_a_function_is_new_for_each_client_and_each_call(count: Any) -> None:
    @tff.tensorflow.computation(np.int32)
    def counted(key: Any) -> Any:
        return count(key)

    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def summed(keys: Any) -> Any:
        return tff.federated_sum(tff.federated_map(counted, keys))

    interpreter = Interpreter(summed)
    assert [interpreter([5, 6]), interpreter([7, 8, 9])] == [2, 3]


def test_a_variable_that_is_set_only_once_is_new_for_each_client() -> None:
    @tff.tensorflow.computation(np.int32)
    def first_seen(value: Any) -> Any:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name="first")

        def assigned() -> Any:
            with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=value)]):
                return tf.constant(0)

        set_now = tf.cond(tf.raw_ops.VarIsInitializedOp(resource=handle), lambda: tf.constant(0), assigned)
        with tf.control_dependencies([set_now]):
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.int32)

    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def summed(values: Any) -> Any:
        return tff.federated_sum(tff.federated_map(first_seen, values))

    interpreter = Interpreter(summed)
    assert [interpreter([5, 6]), interpreter([7, 8])] == [11, 15]
