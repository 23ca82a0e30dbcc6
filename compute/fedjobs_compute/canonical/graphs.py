"""Canonicalizes TensorFlow graphs: tracing the same computation in another process gives the same bytes.

A traced graph depends on the process: names of functions, variables and nodes contain counters, and the graph has debug
information and optimizer hints. This module names nodes by their position in the graph, functions by their content, and
resources by their first occurrence. It removes what does not change the result. Control inputs are unordered, so it
sorts them by the structure of their nodes.
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
    """A canonical graph, and the new names of its feeds, fetches and operations.

    Attributes:
        graph_def: The graph, without unneeded nodes.
        feeds: The tensor name of each feed. None for an unused feed.
        fetches: The tensor name of each fetch.
        operations: The new names of the requested operations, such as an initializer.
    """

    graph_def: GraphDef
    feeds: tuple[str | None, ...]
    fetches: tuple[str, ...]
    operations: tuple[str, ...]


def canonical_library(graph_def: GraphDef) -> GraphDef:
    """Returns a copy whose functions are named by their content, so that graphs can be combined without conflicts."""
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
    """Converts a graph to its canonical form.

    Args:
        graph_def: The graph.
        feeds: Names of the fed tensors, in order. Each is the output of a placeholder.
        fetches: Names of the fetched tensors, in order.
        operations: Names of operations that run for their side effects.

    Raises:
        CanonicalError: The graph has a cycle (TensorFlow 1 control flow).
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
    result.versions.producer = 1395  # of TensorFlow 2.14; it determines the defaults of attributes
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
