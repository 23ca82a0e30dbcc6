"""Convolutions and pools of inputs for which TensorFlow's kernels return memory that nothing wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute import graphs
from fedjobs_compute.graphs import LoadedProgram, disable_graph_rewriting
from fedjobs_compute.shards import LoadedShard
from fedjobs_verifier import verify

from tests.worker.shard_builders import program, shard, tensor

Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _conv(x: tf.Tensor, f: tf.Tensor, **more: Any) -> tf.Tensor:
    return tf.raw_ops.Conv2D(**{"input": x, "filter": f, "strides": [1, 1, 1, 1], "padding": "VALID", **more})


def _pool(kind: str, size: int = 2, **more: Any) -> Operation:
    sizes = [1, size, size, 1]
    given = {"ksize": sizes, "strides": sizes, "padding": "VALID", **more}
    return lambda x, _: getattr(tf.raw_ops, kind)(**{"value" if kind == "AvgPool" else "input": x}, **given)


def _shard(operation: Operation, *, within_function: bool) -> bytes:
    """A shard that passes the verifier, and whose broadcasts choose the shapes."""

    def work(x: tf.Tensor, x_shape: tf.Tensor, f: tf.Tensor, f_shape: tf.Tensor) -> list[tf.Tensor]:
        called = tf.function(operation, autograph=False) if within_function else operation
        return [tf.reduce_sum(called(tf.reshape(x, x_shape), tf.reshape(f, f_shape)))]

    shaped = [tensor("float32", -1), tensor("int32", -1)]
    return verify(shard([*shaped, *shaped], [], work)).serialized


@pytest.mark.parametrize("within_function", [False, True])
@pytest.mark.parametrize(
    ("operation", "shape", "filters"),
    [
        (_conv, [1, 2, 9, 4], [3, 3, 4, 8]),
        (_conv, [1, 9, 1, 4], [3, 3, 4, 8]),
        (_conv, [64, 1, 50, 4], [2, 1, 4, 8]),
        (lambda x, f: _conv(x, f, dilations=[1, 3, 1, 1]), [1, 3, 9, 4], [2, 1, 4, 8]),
        (lambda x, f: _conv(x, f, padding="EXPLICIT", explicit_paddings=[0, 0, 0, 1, 0, 0, 0, 0]),
         [1, 1, 9, 4], [3, 1, 4, 8]),
        (lambda x, f: _conv(x, f, data_format="NCHW"), [1, 4, 2, 9], [3, 3, 4, 8]),
        (_conv, [2, 3, 4], [1, 1, 4, 8]),
        (_conv, [1, 9, 9, 4], [3, 3, 4]),
        (_pool("AvgPool", 1), [1, 0, 30, 3, 3], [0, 0, 0, 0]),
        (_pool("MaxPool", 1), [1, 0, 30, 3, 3], [0, 0, 0, 0]),
        (_pool("AvgPool", 1), [1, 3, 0, 1, 3], [0, 0, 0, 0]),
        (_pool("MaxPool", 1, padding="SAME"), [1, 0, 1, 3, 1], [0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_an_input_for_which_the_kernel_writes_nothing_is_an_error(
    operation: Operation, shape: list[int], filters: list[int], within_function: bool
) -> None:
    disable_graph_rewriting()  # as runners do
    loaded = LoadedShard(_shard(operation, within_function=within_function))
    given = [tf.ones([int(np.prod(shape))]), tf.constant(shape), tf.ones([int(np.prod(filters))]), tf.constant(filters)]
    with pytest.raises(FedjobsError) as caught:
        loaded.run(given, [[]])
    assert caught.value.code is ErrorCode.SHARD_FAILED
    assert isinstance(caught.value.__cause__, tf.errors.InvalidArgumentError)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(
    ("operation", "shape", "filters"),
    [
        (_conv, [2, 9, 8, 4], [3, 2, 4, 5]),
        (lambda x, f: _conv(x, f, padding="SAME", strides=[1, 2, 3, 1]), [2, 9, 8, 4], [3, 2, 4, 5]),
        (lambda x, f: _conv(x, f, dilations=[1, 2, 2, 1]), [2, 9, 8, 4], [3, 2, 4, 5]),
        (lambda x, f: _conv(x, f, padding="EXPLICIT", explicit_paddings=[0, 0, 1, 2, 3, 0, 0, 0]),
         [2, 9, 8, 4], [3, 2, 4, 5]),
        (_conv, [0, 9, 8, 4], [3, 2, 4, 5]),
        (_conv, [2, 3, 2, 4], [3, 2, 4, 5]),
        (_pool("AvgPool"), [2, 9, 8, 4], [1]),
        (_pool("MaxPool"), [2, 9, 8, 4], [1]),
        (_pool("MaxPool", 3, padding="SAME"), [2, 9, 8, 4], [1]),
        (_pool("AvgPool", 3, padding="SAME"), [0, 9, 8, 4], [1]),
    ],
)  # fmt: skip
def test_other_results_have_the_bits_of_tensorflow(
    operation: Operation, shape: list[int], filters: list[int], gradients: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs(x: tf.Tensor, f: tf.Tensor) -> list[tf.Tensor]:
        output = operation(x, f)
        if not gradients:
            return [output]
        wanted = [x, f] if len(filters) == 4 else [x]
        return [tf.convert_to_tensor(each) for each in tf.gradients(tf.reduce_sum(output * tf.sin(output)), wanted)]

    made = program([tensor("float32", *[-1] * len(shape)), tensor("float32", *[-1] * len(filters))], outputs)
    random = np.random.default_rng(0)
    given = [tf.constant(random.standard_normal(size), tf.float32) for size in (shape, filters)]
    found = LoadedProgram(made, "guarded")(given)
    monkeypatch.setattr(graphs, "guard_operations", lambda _: None)
    plain = LoadedProgram(made, "plain")(given)
    for one, other in zip(found, plain, strict=True):
        assert one.shape == other.shape
        assert one.numpy().tobytes() == other.numpy().tobytes()
