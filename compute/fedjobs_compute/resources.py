"""Variables and tables of a graph. They exist for one run of a program only, at any depth of functions.

TensorFlow keeps a named variable or table in the process, and the kernel of a table without a name keeps it as long as
the graph. So what one client puts in would be there for the next client, and in the next round. Each of them gets a
name that no other graph has, and is destroyed before each run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from fedjobs_common.digests import digest

_GRAPH = "node"
_DENSE = "MutableDenseHashTableV2"
_NAMED = frozenset({"HashTableV2", _DENSE, "MutableHashTableOfTensorsV2", "MutableHashTableV2", "VarHandleOp"})


def scope_resources(graph_def: tf.compat.v1.GraphDef, scope: str) -> None:
    """Names variables and tables, so that other graphs in this process do not find them.

    Args:
        graph_def: The graph to change.
        scope: A name for the graph, unique in the process.
    """
    in_functions = False
    for place, nodes in _bodies(graph_def):
        for node in nodes:
            if node.op in _NAMED:
                name = node.attr["shared_name"].s or f"{place}/{node.name}".encode()
                node.attr["shared_name"].s = f"{scope}/".encode() + name
                in_functions |= place != _GRAPH
            elif "shared_name" in node.attr and node.attr["shared_name"].s:
                node.attr["shared_name"].s = f"{scope}/".encode() + node.attr["shared_name"].s
    if in_functions:
        _rename_functions(graph_def, f"_{digest(scope.encode())[:16]}")


def _rename_functions(graph_def: tf.compat.v1.GraphDef, suffix: str) -> None:
    """Renames all functions. TensorFlow has one function for each name in a process, and these differ by the scope."""
    for function in graph_def.library.function:
        function.signature.name += suffix
    for _, nodes in _bodies(graph_def):
        for node in nodes:
            for attribute in node.attr.values():
                for called in [*([attribute.func] if attribute.HasField("func") else []), *attribute.list.func]:
                    called.name += suffix


def resetting(graph_def: tf.compat.v1.GraphDef) -> Callable[[], object] | None:
    """Returns a function that destroys the variables and tables of a scoped graph. None if it has none."""
    handles = tf.compat.v1.GraphDef()
    handles.versions.CopyFrom(graph_def.versions)
    seen = set()
    for _, nodes in _bodies(graph_def):
        for node in nodes:
            if node.op in _NAMED and (key := (node.op, node.attr["shared_name"].s)) not in seen:
                seen.add(key)
                _add_handle(handles, node, len(seen))
    if not seen:
        return None

    def destroy() -> None:
        names = [f"handle_{number}:0" for number in range(1, len(seen) + 1)]
        found = tf.graph_util.import_graph_def(handles, return_elements=names, name="")
        tf.group(*(tf.raw_ops.DestroyResourceOp(resource=h, ignore_lookup_error=True) for h in found), name="all")

    wrapped = tf.compat.v1.wrap_function(destroy, [])
    pruned = wrapped.prune([], wrapped.graph.get_operation_by_name("all"))
    called: Callable[[], object] = tf.function(lambda: pruned(), autograph=False)
    return called


def _add_handle(handles: tf.compat.v1.GraphDef, node: Any, number: int) -> None:
    """Adds a node that returns the handle of the same variable or table."""
    handle = handles.node.add()
    handle.CopyFrom(node)
    handle.name = f"handle_{number}"
    del handle.input[:]
    if node.op == _DENSE:  # it only looks at its keys if it creates the table, to destroy it at once
        dtype = tf.dtypes.as_dtype(node.attr["key_dtype"].type)
        for key, value in (("empty", 0), ("deleted", 1)):
            constant = handles.node.add(name=f"{key}_{number}", op="Const")
            content = str(value) if dtype == tf.string else value
            constant.attr["dtype"].type = dtype.as_datatype_enum
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(content, dtype, []))
            handle.input.append(constant.name)


def _bodies(graph_def: tf.compat.v1.GraphDef) -> Iterator[tuple[str, Any]]:
    """Yields the name and the nodes of the graph, and of each of its functions."""
    yield _GRAPH, graph_def.node
    for function in graph_def.library.function:
        yield function.signature.name, function.node_def
