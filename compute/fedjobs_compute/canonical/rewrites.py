"""Removes dataset rewrites that are hints for distributed input pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

_HINT = b"replicate_on_split"  # from `Dataset.enumerate`: how a service splits the dataset; there is no service


def remove_rewrites(graph: GraphDef) -> None:
    """Connects the users of such a rewrite to its input, in the graph and its functions."""
    _rewire(graph.node, [])
    for function in graph.library.function:
        _rewire(function.node_def, [function])


def _rewire(nodes: Iterable[NodeDef], functions: Sequence[FunctionDef]) -> None:
    nodes = list(nodes)
    hints = {node.name for node in nodes if node.op == "Const" and _strings(node) == [_HINT]}
    sources = {
        node.name: node.input[0]
        for node in nodes
        if node.op == "RewriteDataset" and node.input[1].partition(":")[0] in hints and len(node.input) == 2
    }

    def source(tensor: str) -> str:
        while (name := tensor.partition(":")[0]) in sources:
            tensor = sources[name]
        return tensor

    for node in nodes:
        node.input[:] = map(source, node.input)
    for function in functions:
        for name, tensor in function.ret.items():
            function.ret[name] = source(tensor)


def _strings(node: NodeDef) -> list[bytes]:
    tensor = node.attr["value"].tensor
    return list(tf.make_ndarray(tensor).ravel()) if tensor.dtype == tf.string.as_datatype_enum else []
