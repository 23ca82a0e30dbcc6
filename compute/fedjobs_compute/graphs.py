"""Loads and runs programs of GraphDefs with plain TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_compute.guards import guard_operations
from fedjobs_compute.resources import resetting, scope_resources

Leaf = Any  # a tensor or a tf.data.Dataset

_CONTROL_FLOW = frozenset({"Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While"})


def disable_graph_rewriting() -> None:
    """Disables TensorFlow's graph optimizer. The reviewed graph runs, and gives the same bits in each process."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


class LoadedProgram:
    """A program that is ready to run.

    Args:
        program: The program.
        scope: Separates its resources (variables, tables) from those of other programs in this process.

    Raises:
        FedjobsError: SHARD_FAILED if TensorFlow cannot load a graph.
    """

    def __init__(self, program: shard_pb2.Program, scope: str) -> None:
        self._program = program
        self._segments = [_Segment(s, f"{scope}/{i}") for i, s in enumerate(program.segments)]

    def __call__(self, inputs: Sequence[Leaf]) -> list[Leaf]:
        """Runs the program once. Variables and tables are new, so no data remain from the run of another client.

        Raises:
            tf.errors.OpError: An operation failed.
        """
        values = list(inputs)
        for segment, message in zip(self._segments, self._program.segments, strict=True):
            values.extend(segment([values[i] for i in message.inputs]))
        return [values[i] for i in self._program.outputs]


class _Segment:
    def __init__(self, message: shard_pb2.Segment, scope: str) -> None:
        self._message = message
        graph_def = tf.compat.v1.GraphDef.FromString(message.graph_def)
        scope_resources(graph_def, scope)
        _lower_control_flow(graph_def)
        guard_operations(graph_def)
        try:
            self._reset = resetting(graph_def)
            self._call, self._first = _import(message, graph_def)
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            raise FedjobsError(ErrorCode.SHARD_FAILED, f"TensorFlow cannot load the graph {scope}: {error}") from error

    def __call__(self, inputs: Sequence[Leaf]) -> list[Leaf]:
        feeds = [tf.data.experimental.to_variant(x) if isinstance(x, tf.data.Dataset) else x for x in inputs]
        if self._message.session_token_tensor:
            feeds.append(tf.constant("fedjobs"))
        if self._reset is not None:
            self._reset()
        if self._first is not None:
            self._first(*feeds)
        outputs = self._call(*feeds) if self._call is not None else ()
        return [_leaf(o, t) for o, t in zip(outputs, self._message.output_types, strict=True)]


def _lower_control_flow(graph_def: tf.compat.v1.GraphDef) -> None:
    """Makes TensorFlow replace branches and loops by the nodes of their functions, as in graphs that it traces itself.

    So each node runs on a device of its own, also within a loop. A shard cannot ask for this: with a name that is not
    that of a function, TensorFlow would run the operation of that name. The verifier has checked all names before.
    """
    for nodes in _bodies(graph_def):
        for node in nodes:
            if node.op in _CONTROL_FLOW:
                node.attr["_lower_using_switch_merge"].b = True


def _bodies(graph_def: tf.compat.v1.GraphDef) -> list[Any]:
    """Returns the nodes of the graph, and those of each of its functions."""
    return [graph_def.node, *(f.node_def for f in graph_def.library.function)]


_Function = Callable[..., Any]


def _import(message: shard_pb2.Segment, graph_def: tf.compat.v1.GraphDef) -> tuple[_Function | None, _Function | None]:
    """Returns the graph's function, and the initializer to call before it each time with the same feeds."""

    def import_graph() -> None:
        tf.graph_util.import_graph_def(graph_def, name="")

    wrapped = tf.compat.v1.wrap_function(import_graph, [])
    names = [*message.feeds, *([message.session_token_tensor] if message.session_token_tensor else [])]
    feeds = [wrapped.graph.as_graph_element(name) for name in names]
    fetches = [wrapped.graph.as_graph_element(name) for name in message.fetches]
    before = None
    if message.initialize_op:
        # The initializer gets all feeds too, because it may depend on them.
        before = _flat(wrapped.prune(feeds, wrapped.graph.as_graph_element(message.initialize_op)), feeds)
    return _flat(wrapped.prune(feeds, fetches), feeds) if fetches else None, before


def _flat(pruned: _Function, feeds: Sequence[tf.Tensor]) -> _Function:
    """Returns a function of flat tensors. A pruned function would try a structured signature first, which is slow."""
    signature = [tf.TensorSpec(feed.shape, feed.dtype) for feed in feeds]
    called: _Function = tf.function(lambda *tensors: pruned(*tensors), input_signature=signature, autograph=False)
    return called


def _leaf(output: tf.Tensor, type_: shard_pb2.Leaf) -> Leaf:
    if type_.HasField("tensor"):
        return output
    return tf.data.experimental.from_variant(output, structure=element_spec(type_.sequence))


def element_spec(sequence: shard_pb2.Sequence) -> Any:
    """Returns the element spec of a tf.data dataset: one spec, or a tuple of specs."""
    specs = [tensor_spec(c.tensor) for c in sequence.components]
    return specs[0] if len(specs) == 1 else tuple(specs)


def tensor_spec(tensor: shard_pb2.Tensor) -> tf.TensorSpec:
    """Returns the TensorSpec of a tensor type."""
    shape = None if tensor.unknown_rank else [None if d < 0 else d for d in tensor.shape]
    return tf.TensorSpec(shape, tf.dtypes.as_dtype(tensor.dtype))
