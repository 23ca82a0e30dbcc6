"""Lets DynamicStitch write each element of its output.

Its kernel leaves the elements uninitialized to which no index points. So a graph could send what the runner's memory
contains from other clients. Gradients need the operation. When a graph is loaded, a function replaces it that writes
zeros first. The verified shard and its digest stay the same, and so does each result whose elements all have an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_WITHOUT_ZEROS = frozenset({tf.string, tf.variant, tf.resource})  # their elements are never uninitialized


def write_whole_stitches(graph_def: tf.compat.v1.GraphDef) -> None:
    """Replaces each DynamicStitch of a graph, in place."""
    needed: dict[tuple[int, tf.DType], str] = {}
    _replace(graph_def.node, needed)
    for function in graph_def.library.function:
        _rename_outputs(function, _replace(function.node_def, needed))
    graph_def.library.function.extend(_function(name, count, dtype) for (count, dtype), name in needed.items())


def _replace(nodes: Any, needed: dict[tuple[int, tf.DType], str]) -> set[str]:
    """Calls a function in the place of each DynamicStitch. Returns the names of these nodes."""
    replaced = set()
    for node in nodes:
        if node.op != "DynamicStitch" or (dtype := tf.dtypes.as_dtype(node.attr["T"].type)) in _WITHOUT_ZEROS:
            continue
        count = node.attr["N"].i
        name = needed.setdefault((count, dtype), f"stitch_{count}_{dtype.name}")  # functions of shards begin with f_
        node.op = "PartitionedCall"
        node.attr.clear()
        node.attr["f"].func.name = name
        node.attr["Tin"].list.type.extend([tf.int32.as_datatype_enum] * count + [dtype.as_datatype_enum] * count)
        node.attr["Tout"].list.type.append(dtype.as_datatype_enum)
        replaced.add(node.name)
    return replaced


def _rename_outputs(function: Any, replaced: set[str]) -> None:
    """Within a function, inputs name the output of a node. That of a call has another name."""

    def renamed(text: str) -> str:
        name, _, output = text.partition(":")
        return f"{name}:output:0" if name in replaced and output == "merged:0" else text

    if not replaced:
        return
    for node in function.node_def:
        node.input[:] = [renamed(text) for text in node.input]
    for key, text in list(function.ret.items()):
        function.ret[key] = renamed(text)


def _function(name: str, count: int, dtype: tf.DType) -> Any:
    specs = [tf.TensorSpec(None, tf.int32)] * count + [tf.TensorSpec(None, dtype)] * count
    traced = tf.function(lambda *given: _stitch(given[:count], given[count:]), input_signature=specs, autograph=False)
    definition = traced.get_concrete_function().function_def
    result = type(definition)()
    result.CopyFrom(definition)
    result.signature.name = name
    return result


def _stitch(indices: Sequence[tf.Tensor], data: Sequence[tf.Tensor]) -> tf.Tensor:
    """Stitches over zeros, which come first, so that what has an index replaces them."""
    highest = tf.reduce_max(tf.concat([[-1], *(tf.reshape(i, [-1]) for i in indices)], 0))
    each = tf.range(highest + 1)
    shape = tf.concat([tf.shape(each), tf.shape(data[0])[tf.rank(indices[0]) :]], 0)
    return tf.raw_ops.DynamicStitch(indices=[each, *indices], data=[tf.zeros(shape, data[0].dtype), *data])
