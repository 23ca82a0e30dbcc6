"""Shards as somebody would forge them: with TensorFlow's own messages, and names that the verifier expects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import blake3
import tensorflow as tf
from fedjobs_protocol.v1 import shard_pb2
from tensorflow.core.framework import attr_value_pb2, function_pb2, graph_pb2, node_def_pb2

from tests.worker.shard_builders import sequence, shard, tensor

GraphDef = graph_pb2.GraphDef
Change = Callable[[GraphDef], None]


@functools.cache
def honest() -> bytes:
    """A shard with functions in branches, loops, calls and datasets, also within functions."""

    @tf.function
    def called(x: tf.Tensor) -> tf.Tensor:
        return tf.cond(x > 0, lambda: x * 2, lambda: x - 1)

    def work(dataset: tf.data.Dataset, offset: tf.Tensor) -> list[tf.Tensor]:
        doubled = dataset.map(lambda x, y: called(tf.reduce_sum(x)) + tf.cast(y, tf.float32))
        total = doubled.reduce(0.0, lambda a, b: a + b)
        total = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, called(t)), [0, total])[1]
        total = tf.switch_case(tf.cast(offset, tf.int32), [lambda: total + 1, lambda: total + 2])
        return [tf.cond(offset > 1, lambda: total, lambda: called(total) + offset)]

    return shard([], [sequence(x=tensor("float32", 2), y=tensor("int32")), tensor("float32")], work)


def forged(serialized: bytes, change: Change, *, named: bool = True) -> bytes:
    """Changes the graph of a shard's work.

    Args:
        serialized: The shard.
        change: Changes the graph in place.
        named: Whether functions get the names that their changed content asks for.
    """
    message = shard_pb2.Shard.FromString(serialized)
    segment = message.work.segments[0]
    graph = GraphDef.FromString(segment.graph_def)
    change(graph)
    if named:
        name_functions(graph)
    segment.graph_def = graph.SerializeToString(deterministic=True)
    return message.SerializeToString(deterministic=True)


def name_functions(graph: GraphDef) -> None:
    """Names functions by their content, as the planner does, and sorts them."""
    functions = {f.signature.name: f for f in graph.library.function}
    renamed: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in renamed or name not in functions:
            return
        renamed[name] = name
        for node in functions[name].node_def:
            for called in named_functions(node):
                visit(called.name)
                called.name = renamed.get(called.name, called.name)
        bare = function_pb2.FunctionDef()
        bare.CopyFrom(functions[name])
        bare.signature.ClearField("name")
        digest = blake3.blake3(bare.SerializeToString(deterministic=True)).hexdigest()
        renamed[name] = f"f_{digest[:32]}" if name.startswith("f_") else name

    for name in list(functions):
        visit(name)
    for node in graph.node:
        for called in named_functions(node):
            called.name = renamed.get(called.name, called.name)
    for name, function in functions.items():
        function.signature.name = renamed[name]
    ordered = sorted({f.signature.name: f for f in graph.library.function}.items())
    copies = [function_pb2.FunctionDef.FromString(f.SerializeToString()) for _, f in ordered]
    del graph.library.function[:]
    graph.library.function.extend(copies)


def named_functions(node: node_def_pb2.NodeDef) -> Iterator[attr_value_pb2.NameAttrList]:
    for key in sorted(node.attr):
        value = node.attr[key]
        if value.HasField("func"):
            yield value.func
        yield from value.list.func


def bodies(graph: GraphDef) -> Iterator[Any]:
    """Yields the nodes of the graph and of each function."""
    yield graph.node
    yield from (f.node_def for f in graph.library.function)


def nodes_with(graph: GraphDef, attribute: str) -> list[node_def_pb2.NodeDef]:
    return [node for body in bodies(graph) for node in body if attribute in node.attr]
