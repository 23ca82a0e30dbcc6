"""Canonicalizes TensorFlow graphs: tracing the same computation in another process gives the same bytes.

A traced graph depends on the process: names of functions, variables and nodes contain counters, and the graph has debug
information and optimizer hints. This module names nodes by their position in the graph, functions by their content, and
resources by their first occurrence. It removes what does not change the result. The order of nodes is the verifier's,
which refuses any other form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorflow.core.framework.graph_pb2 import GraphDef

from fedjobs_compute.canonical.attributes import clean_nodes, rename_functions_in
from fedjobs_compute.canonical.functions import add_functions, canonicalize_library
from fedjobs_compute.canonical.nodes import canonical_order, rename_node, rename_resource


@dataclass(frozen=True)
class CanonicalGraph:
    """A canonical graph, and the new names of its feeds, fetches and operations.

    Attributes:
        graph_def: The graph, without unneeded nodes.
        feeds: The tensor name of each feed. None for an unused feed. The names are numbers in the order of use.
        fetches: The tensor name of each fetch.
        operations: The new names of the requested operations, such as an initializer.
        token: The tensor name of the session token, which is the last feed. None if it is not used.
    """

    graph_def: GraphDef
    feeds: tuple[str | None, ...]
    fetches: tuple[str, ...]
    operations: tuple[str, ...]
    token: str | None


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
    graph_def: GraphDef,
    feeds: Sequence[str],
    fetches: Sequence[str],
    operations: Sequence[str] = (),
    token: str | None = None,
    labels: Sequence[str] | None = None,
) -> CanonicalGraph:
    """Converts a graph to its canonical form.

    Args:
        graph_def: The graph.
        feeds: Names of the fed tensors. Each is the output of a placeholder.
        fetches: Names of the fetched tensors, in order.
        operations: Names of operations that run for their side effects.
        token: The name of the session token, a tensor that is fed too.
        labels: What the feeds are. By default, their numbers.

    Raises:
        CanonicalError: The graph has a cycle (TensorFlow 1 control flow), or nodes without an order.
    """
    graph = canonical_library(graph_def)
    nodes = {node.name: node for node in graph.node}
    feed_nodes = [_node(feed) for feed in feeds]
    labelled = dict(zip(feed_nodes, labels or [f"input {i}" for i in range(len(feeds))], strict=True))
    if token:
        labelled[_node(token)] = "token"
    for name in labelled.keys() & nodes.keys():
        del nodes[name].input[:]
    for node in nodes.values():
        node.input[:] = [text.removesuffix(":0") for text in node.input]
    order = canonical_order(nodes, [*(text.removesuffix(":0") for text in fetches), *operations], labels=labelled)
    fed = sorted(
        (name for name in order if name in labelled), key=lambda name: bool(token) and name == _node(token or "")
    )
    rest = [name for name in order if name not in labelled]
    names = {name: f"input_{i}" for i, name in enumerate(fed)} | {name: f"n{i}" for i, name in enumerate(rest)}
    result = GraphDef()
    result.versions.producer = 1395  # of TensorFlow 2.14; it determines the defaults of attributes
    resources: dict[bytes, bytes] = {}
    for name in [*fed, *rest]:
        node = result.node.add()
        node.CopyFrom(nodes[name])
        rename_node(node, names)
        rename_resource(node, resources, f"{len(resources)}")
    add_functions(result, graph)
    return CanonicalGraph(
        graph_def=result,
        feeds=tuple(f"{names[n]}:0" if n in names else None for n in feed_nodes),
        fetches=tuple(f"{names[_node(t)]}:{t.partition(':')[2] or 0}" for t in fetches),
        operations=tuple(names[o] for o in operations),
        token=f"{names[_node(token)]}:0" if token and _node(token) in names else None,
    )


def _node(tensor: str) -> str:
    return tensor.partition(":")[0]
