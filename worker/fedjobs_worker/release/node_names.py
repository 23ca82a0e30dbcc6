"""The names of the nodes of a shard. A failure names a node only if the shard has it."""

from __future__ import annotations

from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2
from google.protobuf.message import DecodeError


def known_node(shard: shard_pb2.Shard, reported: str) -> str:
    """Returns the name of a node that the runner reported, or an empty text if the shard has no such node."""
    return reported if reported and reported in _nodes(shard) else ""


def _nodes(shard: shard_pb2.Shard) -> set[str]:
    names: set[str] = set()
    for program in (shard.zero, shard.work, shard.accumulate):
        for segment in program.segments:
            try:
                graph = graph_pb2.Graph.FromString(segment.graph_def)
            except DecodeError:
                continue
            names.update(node.name for node in graph.node)
            names.update(node.name for function in graph.library.function for node in function.node_def)
    return names
