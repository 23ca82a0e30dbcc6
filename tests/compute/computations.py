"""TFF computations for the tests of the planner."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

FLOAT_AT_CLIENTS = tff.FederatedType(np.float32, tff.CLIENTS)
FLOAT_AT_SERVER = tff.FederatedType(np.float32, tff.SERVER)
STRING_AT_CLIENTS = tff.FederatedType(np.str_, tff.CLIENTS)


@tff.tensorflow.computation(np.float32, np.float32)
def add(a: Any, b: Any) -> Any:
    return a + b


@tff.tensorflow.computation(np.float32)
def double(a: Any) -> Any:
    return a * 2


@tff.federated_computation(FLOAT_AT_SERVER, FLOAT_AT_CLIENTS)
def sum_of_shifted(shift: Any, values: Any) -> Any:
    return tff.federated_sum(tff.federated_map(add, (values, tff.federated_broadcast(shift))))


@tff.federated_computation(FLOAT_AT_CLIENTS, FLOAT_AT_CLIENTS)
def weighted_mean(values: Any, weights: Any) -> Any:
    return tff.federated_mean(values, weights)


@tff.federated_computation(FLOAT_AT_CLIENTS)
def extremes(values: Any) -> Any:
    return tff.federated_min(values), tff.federated_max(values), tff.federated_sum(values)


@tff.federated_computation(STRING_AT_CLIENTS)
def count_known_words(words: Any) -> Any:
    @tff.tensorflow.computation(np.str_)
    def look_up(word: Any) -> Any:
        keys = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
        return tf.lookup.StaticHashTable(keys, -1).lookup(word)

    return tff.federated_sum(tff.federated_map(look_up, words))


@tff.federated_computation(tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS))
def sum_of_doubled_elements(values: Any) -> Any:
    @tff.federated_computation(tff.SequenceType(np.float32))
    def local(sequence: Any) -> Any:
        return tff.sequence_reduce(tff.sequence_map(double, sequence), np.float32(0), add)

    return tff.federated_sum(tff.federated_map(local, values))


@tff.federated_computation(STRING_AT_CLIENTS)
def concatenated(words: Any) -> Any:
    @tff.tensorflow.computation(np.str_, np.str_)
    def join(a: Any, b: Any) -> Any:
        return tf.strings.join([a, b])

    @tff.tensorflow.computation(np.str_)
    def mark(a: Any) -> Any:
        return tf.strings.join([a, "."])

    return tff.federated_aggregate(words, "", join, join, mark)


@tff.federated_computation(FLOAT_AT_CLIENTS, np.float32)
def captured_everywhere(values: Any, offset: Any) -> Any:
    @tff.federated_computation(np.float32, np.float32)
    def accumulate(total: Any, value: Any) -> Any:
        return add(total, add(value, offset))

    @tff.federated_computation(np.float32)
    def report(total: Any) -> Any:
        return add(total, offset)

    return tff.federated_aggregate(values, np.float32(0), accumulate, add, report)


@tff.federated_computation(FLOAT_AT_CLIENTS)
def literals_in_the_result(values: Any) -> Any:
    return tff.federated_sum(values), tff.federated_value(np.float32(3.5), tff.SERVER), "text", np.int32(7)


@tff.federated_computation(FLOAT_AT_CLIENTS)
def variance(values: Any) -> Any:
    """Has two rounds of communication: the second aggregation depends on the first."""

    @tff.tensorflow.computation(np.float32, np.float32)
    def squared_difference(value: Any, mean: Any) -> Any:
        return (value - mean) ** 2

    mean = tff.federated_broadcast(tff.federated_mean(values))
    return tff.federated_mean(tff.federated_map(squared_difference, (values, mean)))


@tff.federated_computation(FLOAT_AT_CLIENTS)
def doubled_at_clients(values: Any) -> Any:
    return tff.federated_map(double, values)


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def secure_sum(values: Any) -> Any:
    return tff.federated_secure_sum_bitwidth(values, 8)


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS), tff.FederatedType(np.float32, tff.SERVER))
def selected(keys_at_clients: Any, table: Any) -> Any:
    """Uses federated_select. The keys stay in the silo."""

    @tff.tensorflow.computation(np.int32)
    def as_keys(key: Any) -> Any:
        return tf.reshape(key, [1])

    @tff.tensorflow.computation(np.float32, np.int32)
    def pick(value: Any, key: Any) -> Any:
        return value * tf.cast(key, tf.float32)

    @tff.tensorflow.computation(tff.SequenceType(np.float32))
    def total(sequence: Any) -> Any:
        return sequence.reduce(np.float32(0), lambda a, b: a + b)

    keys = tff.federated_map(as_keys, keys_at_clients)
    slices = tff.federated_select(keys, tff.federated_value(np.int32(10), tff.SERVER), table, pick)
    return tff.federated_sum(tff.federated_map(total, slices))
