"""Cleans the attributes of nodes: removes hints and names that depend on the process, and writes defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tensorflow as tf
from tensorflow.core.framework.attr_value_pb2 import NameAttrList
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.python.framework import op_def_registry

from fedjobs_compute.canonical.constants import canonical_constant

# Attributes with names that depend on the process, with inferred shapes, or with hints. None changes a result. The
# verifier refuses every attribute that begins with `_`.
_DROPPED_ATTRS = frozenset(
    {
        "_class",
        "_collective_manager_ids",
        "_construction_context",
        "_gradient_op_type",
        "_has_manual_control_dependencies",
        "_lower_using_switch_merge",  # fedjobs_compute.graphs sets it again before a graph runs
        "_num_original_outputs",
        "_output_shapes",
        "_read_only_resource_inputs",
        "_tf_data_function",
        "_user_specified_name",
        "_xla_inferred_shapes",
    }
)
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_WITH_MESSAGES = frozenset({"CheckNumerics", "PreventGradient"})  # for errors, of which no text leaves a silo


def _plain_config() -> bytes:
    """Returns a session configuration without graph rewriting, so that the reviewed graph is the one that runs."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return bytes(config.SerializeToString(deterministic=True))


_PLAIN_CONFIG = _plain_config()


def clean_nodes(nodes: Iterable[NodeDef]) -> None:
    for node in nodes:
        node.ClearField("experimental_debug_info")
        node.ClearField("experimental_type")  # TensorFlow infers it again
        for key in [k for k in node.attr if k in _DROPPED_ATTRS]:
            del node.attr[key]
        if node.op in _CALLS:
            node.attr["config_proto"].s = _PLAIN_CONFIG
            node.attr["config"].s = b""
            node.attr["executor_type"].s = b""
        if "metadata" in node.attr and "Dataset" in node.op:
            node.attr["metadata"].s = b""
        if node.op in _WITH_MESSAGES:
            node.attr["message"].s = b""
        for function in called_functions(node):
            for key in [k for k in function.attr if k in _DROPPED_ATTRS]:
                del function.attr[key]
        _complete(node)
        for value in node.attr.values():
            if value.HasField("tensor"):
                value.tensor.CopyFrom(canonical_constant(value.tensor))


def _complete(node: NodeDef) -> None:
    """Writes the attributes that are left out because they are the default."""
    registered = op_def_registry.get(node.op)
    for attribute in registered.attr if registered is not None else ():
        if attribute.name not in node.attr and attribute.HasField("default_value"):
            node.attr[attribute.name].CopyFrom(attribute.default_value)


def called_functions(node: NodeDef) -> Iterable[NameAttrList]:
    pending = [node.attr]
    while pending:
        for value in pending.pop().values():
            functions = [value.func] if value.HasField("func") else list(value.list.func)
            for function in functions:
                yield function
                pending.append(function.attr)


def rename_functions_in(node: NodeDef, renamed: Mapping[str, str]) -> None:
    node.op = renamed.get(node.op, node.op)
    for function in called_functions(node):
        function.name = renamed.get(function.name, function.name)


def is_stateful(op: str) -> bool:
    """Returns whether an operation has side effects, or may return another result when it runs again."""
    registered = op_def_registry.get(op)
    return registered is None or bool(registered.is_stateful)  # None for a function or an unknown operation
