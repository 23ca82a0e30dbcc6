"""The measured computation: broadcast, add one in the silo, federated_sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff


def add_and_sum(elements: int) -> Any:
    """Returns a round over a float32 vector. Its arguments are the vector at the server and each client's addend.

    The addend is placed at CLIENTS, because a runtime must know the number of clients.
    """
    vector = tff.TensorType(np.float32, [elements])

    @tff.tensorflow.computation(vector, np.float32)
    def add(value: Any, one: Any) -> Any:
        return value + one

    at_server, at_clients = tff.FederatedType(vector, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)

    @tff.federated_computation(at_server, at_clients)
    def add_one_and_sum(value: Any, ones: Any) -> Any:
        return tff.federated_sum(tff.federated_map(add, (tff.federated_broadcast(value), ones)))

    return add_one_and_sum


def made_in_silos(elements: int) -> Any:
    """Returns the sum of vectors that silos create, so that no program holds the first vector as its own array."""

    @tff.tensorflow.computation(np.float32)
    def make(one: Any) -> Any:
        return tf.math.floormod(tf.range(elements, dtype=tf.float32), 1009.0) * one

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def made(ones: Any) -> Any:
        return tff.federated_sum(tff.federated_map(make, ones))

    return made


def check(result: Any, values: np.ndarray[Any, Any], silos: int) -> None:
    """Compares a few values of a result with the expected ones. Comparing all would cost as much as a small round."""
    some = slice(None, None, max(1, len(values) // 64))
    expected = (values[some] + np.float32(1)) * np.float32(silos)
    if not np.array_equal(np.asarray(result)[some], expected):
        raise ValueError("the measured round has a wrong result, so its time is invalid")
