"""The gradient of average pooling, whose kernel does not compare the shape of the pool's input with the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.graphs import LoadedProgram
from fedjobs_compute.shards import LoadedShard
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import verify

from tests.worker.shard_builders import program, shard, tensor

_SQUARES = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
_OF_CHANNELS_FIRST = {"ksize": [1, 1, 2, 2], "strides": [1, 1, 2, 2], "padding": "VALID", "data_format": "NCHW"}


def _assert_refused(loaded: LoadedShard, input_shape: Any, gradient_shape: list[int]) -> None:
    with pytest.raises(FedjobsError) as caught:
        loaded.run([tf.constant(input_shape, tf.int32), tf.ones(gradient_shape)], [[]])
    assert caught.value.code is ErrorCode.SHARD_FAILED
    assert isinstance(caught.value.__cause__, tf.errors.InvalidArgumentError)


def _hostile_shard(attributes: dict[str, Any], *, rank: int = 1, within_function: bool = False) -> LoadedShard:
    """A shard that passes the verifier, and whose broadcasts choose both shapes."""

    def gradient(input_shape: tf.Tensor, grad: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.AvgPoolGrad(orig_input_shape=input_shape, grad=grad, **attributes)

    def work(input_shape: tf.Tensor, grad: tf.Tensor) -> list[tf.Tensor]:
        # Shape functions do not know these shapes either.
        unknown = (tf.compat.v1.placeholder_with_default(x, None) for x in (input_shape, grad))
        called = tf.function(gradient, autograph=False) if within_function else gradient
        return [tf.reduce_sum(called(*unknown))]

    serialized = shard([tensor("int32", *[-1] * rank), tensor("float32", -1, -1, -1, -1)], [], work)
    verified = verify(serialized)
    assert "AvgPoolGrad" in verified.operations
    return LoadedShard(verified.serialized)


@pytest.mark.parametrize("within_function", [False, True])
@pytest.mark.parametrize("input_shape", [[1, 9, 9, 2], [1, 4, 4, 64], [1, 400, 400, 8], [2, 4, 4, 2], [1, 4, 4, 1]])
def test_an_input_that_does_not_fit_the_gradient_is_an_error(input_shape: list[int], within_function: bool) -> None:
    loaded = _hostile_shard(_SQUARES, within_function=within_function)
    _assert_refused(loaded, input_shape, [1, 2, 2, 2])


def test_an_input_with_channels_first_that_does_not_fit_the_gradient_is_an_error() -> None:
    loaded = _hostile_shard(_OF_CHANNELS_FIRST)
    _assert_refused(loaded, [1, 2, 40, 40], [1, 2, 2, 2])


@pytest.mark.parametrize(
    "input_shape",
    [4, [], [4], [[1, 4, 4, 2]] * 2, [1, 4, 4], [1, 4, 4, 2, 1], [-1, 4, 4, 2], [-(2**31), 4, 4, 2]],
)
@pytest.mark.parametrize("gradient_shape", [[4, 2, 2, 4], [0, 2, 2, 2], [1, 2, 2, 2]])
def test_an_input_shape_of_another_length_or_with_negative_sizes_is_an_error(
    input_shape: Any, gradient_shape: list[int]
) -> None:
    loaded = _hostile_shard(_SQUARES, rank=np.ndim(input_shape))
    _assert_refused(loaded, input_shape, gradient_shape)


@pytest.mark.parametrize(
    "changed",
    [
        {"strides": [1, 2, 2, 2]},
        {"strides": [2, 2, 2, 1]},
        {"ksize": [1, 2, 2, 2]},
        {"ksize": [1, 2, -2, 1]},
        {"strides": [1, 0, 2, 1]},
        {"ksize": [1, 2, 2, 1, 1]},
        {"ksize": [1, 2**32, 2, 1]},
    ],
)
def test_windows_that_the_guard_does_not_know_are_refused(changed: dict[str, Any]) -> None:
    graph_def = tf.compat.v1.GraphDef()
    for name, dtype in (("shape", tf.int32), ("grad", tf.float32)):
        placeholder = graph_def.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = dtype.as_datatype_enum
    node = graph_def.node.add(name="pooled", op="AvgPoolGrad", input=["shape", "grad"])
    attributes = {**_SQUARES, **changed}
    node.attr["ksize"].list.i.extend(attributes["ksize"])
    node.attr["strides"].list.i.extend(attributes["strides"])
    node.attr["padding"].s = b"VALID"
    node.attr["T"].type = tf.float32.as_datatype_enum
    segment = shard_pb2.Segment(graph_def=graph_def.SerializeToString(), fetches=["pooled:0"])
    with pytest.raises(FedjobsError, match=r"node pooled .* ksize and strides 4 positive numbers") as caught:
        LoadedProgram(shard_pb2.Program(segments=[segment]), "test")
    assert caught.value.code is ErrorCode.SHARD_FAILED


def _gradient_of(attributes: dict[str, Any], dtype: str) -> LoadedProgram:
    def gradient(input_shape: tf.Tensor, grad: tf.Tensor) -> list[tf.Tensor]:
        return [tf.raw_ops.AvgPoolGrad(orig_input_shape=input_shape, grad=grad, **attributes)]

    return LoadedProgram(program([tensor("int32", 4), tensor(dtype, -1, -1, -1, -1)], gradient), "test")


def _assert_same_bits(attributes: dict[str, Any], dtype: str, shapes: Sequence[tuple[int, ...]]) -> None:
    guarded, random = _gradient_of(attributes, dtype), np.random.default_rng(0)
    for shape in shapes:
        pooled = tf.raw_ops.AvgPool(value=tf.zeros(shape, dtype), **attributes)
        grad = tf.constant(random.normal(size=pooled.shape), dtype)
        expected = tf.raw_ops.AvgPoolGrad(orig_input_shape=shape, grad=grad, **attributes)  # TensorFlow itself
        (given,) = guarded([tf.constant(shape), grad])
        assert given.shape == expected.shape == shape
        assert given.numpy().tobytes() == expected.numpy().tobytes()


_SHAPES = [(1, 4, 4, 1), (2, 5, 7, 3), (3, 9, 8, 2), (2, 3, 3, 5), (0, 4, 4, 2), (1, 33, 17, 8)]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1), (5, 4)])
@pytest.mark.parametrize("ksize", [(1, 1), (2, 2), (1, 2), (3, 3), (3, 2)])
def test_the_gradient_of_a_pool_is_that_of_tensorflow(
    ksize: tuple[int, int], strides: tuple[int, int], padding: str
) -> None:
    _assert_same_bits({"ksize": [1, *ksize, 1], "strides": [1, *strides, 1], "padding": padding}, "float32", _SHAPES)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_so_it_is_for_each_data_type(dtype: str) -> None:
    _assert_same_bits({**_SQUARES, "padding": "SAME"}, dtype, _SHAPES)


def test_a_window_that_is_larger_than_the_input_has_no_gradient() -> None:
    (given,) = _gradient_of(_SQUARES, "float32")([tf.constant([1, 1, 5, 2]), tf.ones([1, 0, 2, 2])])
    np.testing.assert_array_equal(given, np.zeros([1, 1, 5, 2]))
