"""Guards operations whose kernels are not safe with every input, but which gradients need.

When a graph is loaded, a call of a function replaces each of them. `window_guards` adds nodes before others, for which
a call would take too long. The verified shard and its digest stay the same.

- DynamicStitch leaves the elements uninitialized to which no index points. So a graph could send what the runner's
  memory contains from other clients. The function writes zeros first. A result whose elements all have an index stays
  the same.
- AvgPoolGrad takes the shape of the pool's input as a value, and does not compare it with the gradient. It reads beyond
  a gradient that is too small. The function computes the shape of the pool's output, and gives the gradient this shape.
  This is an error if the number of elements differs, and changes nothing for a pool's own gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_compute.window_guards import guard_windows

_WITHOUT_ZEROS = frozenset({tf.string, tf.variant, tf.resource})  # their elements are never uninitialized
_NOT_POOLED = {b"NHWC": (0, 3), b"NCHW": (0, 1)}  # the dimensions of batches and channels


@dataclass(frozen=True)
class _Guard:
    """A function to call in the place of a node. Nodes with the same name of the function share it."""

    name: str  # functions of shards begin with f_
    inputs: tuple[tf.DType, ...]
    output: tf.DType
    replaced_output: str  # the name of the node's output
    run: Callable[..., tf.Tensor]


def guard_operations(graph_def: tf.compat.v1.GraphDef) -> None:
    """Replaces the operations of a graph that need a guard, in place.

    Raises:
        FedjobsError: SHARD_FAILED if an operation has attributes for which there is no guard.
    """
    needed: dict[str, _Guard] = {}
    guard_windows(graph_def.node, inside=False)
    _replace(graph_def.node, needed)
    for function in graph_def.library.function:
        guard_windows(function.node_def, inside=True)
        _rename_outputs(function, _replace(function.node_def, needed))
    graph_def.library.function.extend(map(_function, needed.values()))


def _replace(nodes: Any, needed: dict[str, _Guard]) -> dict[str, str]:
    """Calls a function in the place of each guarded node. Returns the outputs that these nodes had, by node."""
    replaced = {}
    for node in nodes:
        if node.op not in _GUARDS or (guard := _GUARDS[node.op](node)) is None:
            continue
        needed.setdefault(guard.name, guard)
        node.op = "PartitionedCall"
        node.attr.clear()
        node.attr["f"].func.name = guard.name
        node.attr["Tin"].list.type.extend(dtype.as_datatype_enum for dtype in guard.inputs)
        node.attr["Tout"].list.type.append(guard.output.as_datatype_enum)
        replaced[node.name] = guard.replaced_output
    return replaced


def _rename_outputs(function: Any, replaced: dict[str, str]) -> None:
    """Within a function, inputs name the output of a node. That of a call has another name."""

    def renamed(text: str) -> str:
        name, _, output = text.partition(":")
        return f"{name}:output:0" if name in replaced and output == f"{replaced[name]}:0" else text

    if not replaced:
        return
    for node in function.node_def:
        node.input[:] = [renamed(text) for text in node.input]
    for key, text in list(function.ret.items()):
        function.ret[key] = renamed(text)


def _function(guard: _Guard) -> Any:
    specs = [tf.TensorSpec(None, dtype) for dtype in guard.inputs]
    traced = tf.function(guard.run, input_signature=specs, autograph=False)
    definition = traced.get_concrete_function().function_def
    result = type(definition)()
    result.CopyFrom(definition)
    result.signature.name = guard.name
    return result


def _guard_of_stitch(node: Any) -> _Guard | None:
    dtype, count = tf.dtypes.as_dtype(node.attr["T"].type), node.attr["N"].i
    if dtype in _WITHOUT_ZEROS:
        return None

    def run(*given: tf.Tensor) -> tf.Tensor:
        return _stitch(given[:count], given[count:])

    inputs = (tf.int32,) * count + (dtype,) * count
    return _Guard(f"stitch_{count}_{dtype.name}", inputs, dtype, "merged", run)


def _stitch(indices: Sequence[tf.Tensor], data: Sequence[tf.Tensor]) -> tf.Tensor:
    """Stitches over zeros, which come first, so that what has an index replaces them."""
    highest = tf.reduce_max(tf.concat([[-1], *(tf.reshape(i, [-1]) for i in indices)], 0))
    each = tf.range(highest + 1)
    shape = tf.concat([tf.shape(each), tf.shape(data[0])[tf.rank(indices[0]) :]], 0)
    return tf.raw_ops.DynamicStitch(indices=[each, *indices], data=[tf.zeros(shape, data[0].dtype), *data])


def _guard_of_pool_gradient(node: Any) -> _Guard:
    ksize, strides = list(node.attr["ksize"].list.i), list(node.attr["strides"].list.i)
    padding, layout = node.attr["padding"].s, node.attr["data_format"].s or b"NHWC"
    if (
        layout not in _NOT_POOLED
        or padding not in (b"SAME", b"VALID")
        or any(len(sizes) != 4 or not all(1 <= size < 2**31 for size in sizes) for sizes in (ksize, strides))
        or any(sizes[i] != 1 for sizes in (ksize, strides) for i in _NOT_POOLED[layout])
    ):
        message = (
            f"node {node.name} (AvgPoolGrad) has ksize {ksize}, strides {strides}, padding {padding!r} and data format "
            f"{layout!r}. The data format must be NHWC or NCHW, the padding SAME or VALID, and ksize and strides 4 "
            "positive numbers that are 1 for the batch and the channels"
        )
        raise FedjobsError(ErrorCode.SHARD_FAILED, message)
    windows = ksize if padding == b"VALID" else [1] * 4  # SAME: one output for each `strides` elements

    def run(input_shape: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        shape = tf.reshape(input_shape, [4])  # oneDNN's kernel ends the process for another number of sizes
        # The kernel refuses negative sizes. As 0, they neither overflow nor let Reshape choose a size.
        last = tf.maximum(shape, 0) - windows
        pooled = tf.maximum(tf.math.floordiv(last, strides) + 1, 0)
        return tf.raw_ops.AvgPoolGrad(
            orig_input_shape=shape,
            grad=tf.reshape(gradient, pooled),
            ksize=ksize,
            strides=strides,
            padding=padding,
            data_format=layout,
        )

    dtype = tf.dtypes.as_dtype(node.attr["T"].type)
    attributes = "_".join([padding.decode(), layout.decode(), *map(str, ksize + strides)])
    return _Guard(f"pool_gradient_{dtype.name}_{attributes}", (tf.int32, dtype), dtype, "output", run)


_GUARDS: dict[str, Callable[[Any], _Guard | None]] = {
    "AvgPoolGrad": _guard_of_pool_gradient,
    "DynamicStitch": _guard_of_stitch,
}
