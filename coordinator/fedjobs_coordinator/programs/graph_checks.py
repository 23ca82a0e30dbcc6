"""Finds operations in a graph that make a round differ when it is repeated, or that fail in a silo."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

_STATEFUL_GENERATORS = ("Rng", "StatefulRandom", "StatefulUniform", "StatefulStandardNormal", "StatefulTruncatedNormal")


def stateful_random_operation(graph: tf.Graph) -> tf.compat.v1.NodeDef | None:
    """Returns an operation that draws random numbers from state in the process, in the graph or its functions."""
    return next((node for node in _nodes(graph) if _draws_from_state(node.op)), None)


def unfed_placeholder(graph: tf.Graph, fed: Collection[str]) -> tf.compat.v1.NodeDef | None:
    """Returns a placeholder that is not among the names of the inputs, in the graph or its functions."""
    return next((n for n in _nodes(graph) if n.op.startswith("Placeholder") and n.name not in fed), None)


def _nodes(graph: tf.Graph) -> Iterable[tf.compat.v1.NodeDef]:
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _draws_from_state(op: str) -> bool:
    if op.startswith(_STATEFUL_GENERATORS):
        return True
    definition = op_def_registry.get(op)
    if definition is None or not definition.is_stateful or "Dataset" in op:
        return False
    return {"seed", "seed2"} <= {attribute.name for attribute in definition.attr}
