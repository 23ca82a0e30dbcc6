"""Operations whose output can have elements that nothing wrote, and so what was in memory before."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_compute.guards import guard_operations
from fedjobs_compute.shards import LoadedShard
from fedjobs_verifier import verify

from tests.worker.shard_builders import shard, tensor

_SIZE = 1000


def _only_the_last(*, within_function: bool) -> bytes:
    """A shard that writes the last of 1000 elements, and returns all."""

    def stitched(value: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.DynamicStitch(indices=[tf.constant([_SIZE - 1])], data=[value[tf.newaxis]])

    called = tf.function(stitched, autograph=False) if within_function else stitched
    return shard([tensor("float32")], [], lambda value: [called(value)], tensor("float32", _SIZE))


_RUN = (
    "import sys, tensorflow as tf\n"
    "from fedjobs_compute.shards import LoadedShard\n"
    "result = LoadedShard(sys.stdin.buffer.read()).run([tf.constant(3.0)], [[]])[0]\n"
    "print(float(tf.reduce_sum(result)), int(tf.math.count_nonzero(result)))\n"
)


@pytest.mark.parametrize("within_function", [False, True])
def test_elements_without_an_index_are_zeros(within_function: bool) -> None:
    """The C library fills memory with a pattern, so that what is not written is seen."""
    serialized = _only_the_last(within_function=within_function)
    environment = {**os.environ, "MALLOC_PERTURB_": "170", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=verify(serialized).serialized,
        capture_output=True,
        env=environment,
        check=True,
    )
    assert done.stdout.split() == [b"3.0", b"1"]


def _stitch(*parts: tuple[Any, Any], dtype: str = "float32") -> np.ndarray[Any, Any]:
    indices, data = [np.array(i, np.int32) for i, _ in parts], [np.array(d, dtype) for _, d in parts]
    shape = tf.raw_ops.DynamicStitch(indices=indices, data=data).shape  # TensorFlow itself, without the replacement

    def work() -> list[tf.Tensor]:
        return [tf.raw_ops.DynamicStitch(indices=list(map(tf.constant, indices)), data=list(map(tf.constant, data)))]

    return np.asarray(LoadedShard(shard([], [], work, tensor(dtype, *shape))).run([], [[]])[0])


@pytest.mark.parametrize(
    ("parts", "merged"),
    [
        ([([0, 2], [1, 2]), ([1], [5])], [1, 5, 2]),
        ([([0, 0], [1, 2])], [2]),
        ([([0, 1], [1, 2]), ([1], [5])], [1, 5]),
        ([(1, [3, 4]), (0, [1, 2])], [[1, 2], [3, 4]]),
        ([([[0], [1]], [[7], [8]])], [7, 8]),
        ([([], np.zeros([0, 2]))], np.zeros([0, 2])),
        ([([2], [9])], [0, 0, 9]),
    ],
)
def test_the_others_are_those_of_dynamic_stitch(parts: list[tuple[Any, Any]], merged: Any) -> None:
    np.testing.assert_array_equal(_stitch(*parts), np.array(merged, np.float32))


def test_a_bad_index_is_still_an_error() -> None:
    graph = tf.Graph()
    with graph.as_default():
        tf.raw_ops.DynamicStitch(indices=[tf.constant([-1])], data=[tf.constant([1.0])], name="merged")
    graph_def = graph.as_graph_def()
    guard_operations(graph_def)
    assert all(node.op != "DynamicStitch" for node in graph_def.node)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph_def, name=""), [])
    with pytest.raises(tf.errors.OpError):
        wrapped.prune([], "merged:0")()
