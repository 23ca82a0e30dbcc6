"""Permutations with negative numbers, for which TensorFlow's kernel of Transpose writes outside of its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.graphs import disable_graph_rewriting
from fedjobs_compute.shards import LoadedShard
from fedjobs_verifier import verify

from tests.worker.shard_builders import shard, tensor

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def _run(change: Callable[..., tf.Tensor], dtype: str, *given: Any, within_function: bool) -> tuple[float, list[float]]:
    """Runs a verified shard over one client, which returns the changed values and their shape."""

    def work(x: tf.Tensor, *more: tf.Tensor) -> list[tf.Tensor]:
        called = tf.function(change, autograph=False) if within_function else change
        changed = called(x, *more)
        weights = tf.cast(tf.range(tf.size(changed)), tf.float32)
        # The sum of weighted values shows the order of all elements.
        total = tf.reduce_sum(tf.reshape(changed, [-1]) * weights)
        return [tf.concat([[total], tf.cast(tf.shape(changed), tf.float32)], 0)]

    shaped = [tensor("float32", 2, 3, 4), *(tensor(dtype, -1) for _ in given)]
    disable_graph_rewriting()  # as runners do
    loaded = LoadedShard(verify(shard(shaped, [], work, accumulator=tensor("float32", 4))).serialized)
    (result,) = loaded.run([tf.constant(VALUES), *(tf.constant(each, dtype) for each in given)], [[]])
    total, *sizes = result.numpy().tolist()
    return total, sizes


def _expected(permutation: list[int]) -> tuple[float, list[float]]:
    changed = np.transpose(VALUES, permutation)  # NumPy's negative axes count from the end, as Python's indices
    return float(np.sum(changed.ravel() * np.arange(24, dtype=np.float32))), list(map(float, changed.shape))


@pytest.mark.parametrize("within_function", [False, True])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("permutation", [[2, 0, 1], [-1, 0, 1], [-3, -1, -2], [0, -1, 1]])
def test_negative_numbers_count_from_the_end(permutation: list[int], dtype: str, within_function: bool) -> None:
    total, shape = _run(tf.transpose, dtype, permutation, within_function=within_function)
    assert (total, shape) == _expected(permutation)


@pytest.mark.parametrize("permutation", [[-1, -1, 0], [-4, 1, 2], [3, 1, 2], [0, -2], [0, 1, 2, -1], [2**31 - 1, 0, 1]])
def test_other_numbers_are_an_error_or_a_permutation(permutation: list[int]) -> None:
    remainders = [number % 3 for number in permutation]
    if sorted(remainders) == [0, 1, 2]:
        total, shape = _run(tf.transpose, "int32", permutation, within_function=False)
        assert (total, shape) == _expected(remainders)
        return
    with pytest.raises(FedjobsError) as caught:
        _run(tf.transpose, "int32", permutation, within_function=False)
    assert caught.value.code is ErrorCode.SHARD_FAILED


def test_a_constant_with_negative_numbers_is_guarded_too() -> None:
    total, shape = _run(lambda x: tf.raw_ops.Transpose(x=x, perm=[-1, 0, 1]), "int32", within_function=True)
    assert (total, shape) == _expected([2, 0, 1])


def test_a_permutation_that_a_loop_passes_on_is_guarded() -> None:
    def turned(x: tf.Tensor, permutation: tf.Tensor) -> tf.Tensor:
        def step(number: tf.Tensor, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number + 1, tf.transpose(value, permutation)

        shapes = [tf.TensorShape([]), tf.TensorShape([None, None, None])]
        return tf.while_loop(lambda number, _: number < 3, step, [0, x], shape_invariants=shapes)[1]

    total, shape = _run(turned, "int32", [-1, 0, 1], within_function=False)
    assert (total, shape) == _expected([0, 1, 2])  # three turns are none
