"""Canonical TensorFlow graphs: the same computation, traced in another process, gives the same bytes.

Tracing leaves traces of the process: counters in names of functions, variables and nodes, debug information, hints for
optimizers. Here nodes are named by their place in the graph, functions by their content, resources by their first
occurrence, and what does not change the result is dropped. Control inputs have no order of their own, so they are
ordered by what they compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorflow.core.framework.graph_pb2 import GraphDef

from fedjobs_compute.canonical.attributes import clean_nodes, rename_functions_in
from fedjobs_compute.canonical.functions import add_functions, canonicalize_library
from fedjobs_compute.canonical.nodes import graph_input, ordered, reachable, rename_node, rename_resource


@dataclass(frozen=True)
class CanonicalGraph:
    """A graph, and the new names of its ends.

    Attributes:
        graph_def: Without anything that no end needs.
        feeds: Names of tensors, one for each feed; None for one that nothing uses.
        fetches: Names of tensors, one for each fetch.
        operations: New names of the operations asked for, such as an initializer.
    """

    graph_def: GraphDef
    feeds: tuple[str | None, ...]
    fetches: tuple[str, ...]
    operations: tuple[str, ...]


def canonical_library(graph_def: GraphDef) -> GraphDef:
    """A copy in which functions are named by their content, so that graphs can be put together without clashes."""
    result = GraphDef()
    result.CopyFrom(graph_def)
    clean_nodes(result.node)
    renamed = canonicalize_library(result)
    for node in result.node:
        rename_functions_in(node, renamed)
    return result


def canonical_graph(
    graph_def: GraphDef, feeds: Sequence[str], fetches: Sequence[str], operations: Sequence[str] = ()
) -> CanonicalGraph:
    """Brings a graph to its canonical form.

    Args:
        graph_def: Any graph.
        feeds: Names of the tensors that are fed, in order; each the output of a placeholder.
        fetches: Names of the tensors that are wanted, in order.
        operations: Names of operations that are wanted for their effect.

    Raises:
        CanonicalError: A cycle among the nodes (TensorFlow 1 control flow).
    """
    graph = canonical_library(graph_def)
    nodes = {node.name: node for node in graph.node}
    feed_nodes = [feed.partition(":")[0] for feed in feeds]
    roots = [f.partition(":")[0] for f in fetches] + list(operations)
    names = {name: f"input_{i}" for i, name in enumerate(feed_nodes)}
    for name in feed_nodes:
        if name in nodes:
            del nodes[name].input[:]
    order = ordered(nodes, roots, names, graph_input)
    used = set(feed_nodes) & reachable(nodes, roots)
    result = GraphDef()
    result.versions.producer = 1395  # TensorFlow 2.14's; it decides on defaults of attributes
    resources: dict[bytes, bytes] = {}
    for name in [n for n in feed_nodes if n in used] + order:
        node = result.node.add()
        node.CopyFrom(nodes[name])
        rename_node(node, names, graph_input)
        rename_resource(node, resources, f"{len(resources)}")
    add_functions(result, graph)
    return CanonicalGraph(
        graph_def=result,
        feeds=tuple(f"{names[n]}:0" if n in used else None for n in feed_nodes),
        fetches=tuple(f"{names[t.partition(':')[0]]}:{t.partition(':')[2] or 0}" for t in fetches),
        operations=tuple(names[o] for o in operations),
    )
