"""Builds small shards for tests with plain TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from fedjobs_compute.canonical import canonical_graph, canonical_shard
from fedjobs_protocol.v1 import shard_pb2


def tensor(dtype: str, *shape: int, name: str = "") -> shard_pb2.Leaf:
    return shard_pb2.Leaf(name=name, tensor=shard_pb2.Tensor(dtype=dtype, shape=shape))


def sequence(**components: shard_pb2.Leaf) -> shard_pb2.Leaf:
    parts = [shard_pb2.Component(name=name, tensor=leaf.tensor) for name, leaf in components.items()]
    return shard_pb2.Leaf(sequence=shard_pb2.Sequence(components=parts))


def program(inputs: Sequence[shard_pb2.Leaf], function: Callable[..., Sequence[Any]]) -> shard_pb2.Program:
    """Returns a program of one segment, with the graph of a function of tensors and datasets."""
    graph = tf.Graph()
    with graph.as_default():
        fed = [tf.compat.v1.placeholder(_dtype(leaf), _shape(leaf), name=f"in{i}") for i, leaf in enumerate(inputs)]
        outputs = function(*(_argument(placeholder, leaf) for placeholder, leaf in zip(fed, inputs, strict=True)))
        fetched = [tf.identity(output, name=f"out{i}") for i, output in enumerate(outputs)]
    canonical = canonical_graph(graph.as_graph_def(), [p.name for p in fed], [output.name for output in fetched])
    segment = shard_pb2.Segment(
        graph_def=canonical.graph_def.SerializeToString(deterministic=True),
        inputs=[number for number, feed in enumerate(canonical.feeds) if feed],
        feeds=[feed for feed in canonical.feeds if feed],
        fetches=canonical.fetches,
        output_types=[tensor(output.dtype.name, *(-1 if d is None else d for d in output.shape)) for output in fetched],
    )
    outputs_at = range(len(inputs), len(inputs) + len(fetched))
    return shard_pb2.Program(inputs=len(inputs), segments=[segment], outputs=outputs_at)


def shard(
    broadcasts: Sequence[shard_pb2.Leaf],
    client_inputs: Sequence[shard_pb2.Leaf],
    work: Callable[..., Sequence[Any]],
    accumulator: shard_pb2.Leaf | None = None,
    kept_inputs: Sequence[shard_pb2.KeptInput] = (),
    kept_outputs: Sequence[shard_pb2.Leaf] = (),
) -> bytes:
    """Returns a shard that adds up the first result of `work` over the clients, and keeps the others."""
    total = accumulator or tensor("float32")
    zero = program(broadcasts, lambda *_: [tf.zeros(list(total.tensor.shape), total.tensor.dtype)])
    accumulate = program([*broadcasts, total, total], lambda *values: [values[-2] + values[-1]])
    message = shard_pb2.Shard(
        format=1,
        broadcasts=broadcasts,
        client_inputs=client_inputs,
        accumulators=[total],
        zero=zero,
        work=program([*broadcasts, *client_inputs, *(kept.type for kept in kept_inputs)], work),
        accumulate=accumulate,
        kept_inputs=kept_inputs,
        kept_outputs=kept_outputs,
    )
    return canonical_shard(message).SerializeToString(deterministic=True)


def _dtype(leaf: shard_pb2.Leaf) -> tf.DType:
    return tf.dtypes.as_dtype(leaf.tensor.dtype) if leaf.HasField("tensor") else tf.variant


def _shape(leaf: shard_pb2.Leaf) -> list[int | None]:
    return [None if size < 0 else size for size in leaf.tensor.shape] if leaf.HasField("tensor") else []


def _argument(placeholder: tf.Tensor, leaf: shard_pb2.Leaf) -> Any:
    if leaf.HasField("tensor"):
        return placeholder
    specs = [
        tf.TensorSpec([None if size < 0 else size for size in part.tensor.shape], part.tensor.dtype)
        for part in leaf.sequence.components
    ]
    return tf.data.experimental.from_variant(placeholder, specs[0] if len(specs) == 1 else tuple(specs))
