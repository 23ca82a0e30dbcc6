"""Canonicalizes the functions of a graph's library: names them by their content."""

from __future__ import annotations

from collections.abc import Mapping

import blake3
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.op_def_pb2 import OpDef

from fedjobs_compute.canonical.attributes import called_functions, clean_nodes, is_stateful, rename_functions_in
from fedjobs_compute.canonical.nodes import (
    CanonicalError,
    canonical_order,
    rename_node,
    rename_resource,
    renamed_input,
)

# Attributes of functions that do not change a result: how Keras selects a kernel for LSTM and GRU, and the names of
# functions for gradients that are traced already. Those that begin with `_` are hints of the tracer.
_HINTS_OF_FUNCTIONS = frozenset(
    {
        "api_implements",
        "api_preferred_device",
        "backward_function_name",
        "forward_function_name",
        "go_backwards",
        "time_major",
    }
)


def canonicalize_library(graph: GraphDef) -> dict[str, str]:
    """Replaces the functions of the library by canonical ones. Returns the new names by the old names."""
    if graph.library.gradient:
        raise CanonicalError(f"the function {graph.library.gradient[0].function_name!r} has a gradient of its own")
    functions = {f.signature.name: f for f in graph.library.function}
    renamed: dict[str, str] = {}
    canonical = {}
    resources = _Resources()
    entered: set[str] = set()

    def visit(name: str) -> None:
        if name in renamed:
            return
        if name in entered:
            raise CanonicalError(f"the function {name!r} calls itself")
        entered.add(name)
        function = functions[name]
        _check_plain(function)
        clean_nodes(function.node_def)
        for node in function.node_def:
            for called in [node.op, *(f.name for f in called_functions(node))]:
                if called in functions:
                    visit(called)
        for node in function.node_def:
            rename_functions_in(node, renamed)
        result = _canonical_function(function, resources)
        content = blake3.blake3(result.SerializeToString(deterministic=True)).hexdigest()
        result.signature.name = renamed[name] = f"f_{content[:32]}"
        canonical[result.signature.name] = result

    for name in functions:
        visit(name)
    graph.library.Clear()
    graph.library.function.extend(canonical[name] for name in sorted(canonical))
    return renamed


def _check_plain(function: FunctionDef) -> None:
    """Refuses what has a meaning that the canonical form does not keep."""
    name = function.signature.name
    if function.signature.attr:
        raise CanonicalError(f"the function {name!r} has the attribute {function.signature.attr[0].name!r}")
    kept = [key for key in function.attr if not key.startswith("_") and key not in _HINTS_OF_FUNCTIONS]
    if kept:
        raise CanonicalError(f"the function {name!r} has the attribute {sorted(kept)[0]!r}")


class _Resources:
    """The names of resources in functions, such as variables.

    They are numbered within each function, so that a function's content does not depend on others. Two functions that
    would give different resources one name are refused.
    """

    def __init__(self) -> None:
        self._old: dict[bytes, bytes] = {}

    def add(self, function: str, renamed: Mapping[bytes, bytes]) -> None:
        for name, new in renamed.items():
            old = function.encode() + name if name.startswith(b"\0") else name  # a name that is private to its node
            if self._old.setdefault(new, old) != old:
                raise CanonicalError("two functions have variables or tables of their own. Create them outside")


def _canonical_function(function: FunctionDef, shared: _Resources) -> FunctionDef:
    result = type(function)()
    names: dict[str, str] = {}
    for i, argument in enumerate(function.signature.input_arg):
        names[argument.name] = f"a{i}"
        added = result.signature.input_arg.add()
        added.CopyFrom(argument)
        _strip_argument(added, f"a{i}")
    nodes = {node.name: node for node in function.node_def}
    returned = [function.ret[o.name] for o in function.signature.output_arg]
    controls = set(function.control_ret.values())
    # TensorFlow can run operations with side effects of a function although nothing uses them.
    used = canonical_order(nodes, returned, controls)
    controls |= {name for name in nodes.keys() - set(used) if is_stateful(nodes[name].op)}
    resources: dict[bytes, bytes] = {}
    order = canonical_order(nodes, returned, controls)
    names |= {name: f"n{number}" for number, name in enumerate(order)}
    for name in order:
        node = result.node_def.add()
        node.CopyFrom(nodes[name])
        rename_node(node, names)
        rename_resource(node, resources, f"f{len(resources)}")
    # Without this mark, TensorFlow takes a dataset that calls the function for one without side effects.
    result.signature.is_stateful = any(is_stateful(node.op) for node in result.node_def)
    shared.add(function.signature.name, resources)
    for i, (argument, source) in enumerate(zip(function.signature.output_arg, returned, strict=True)):
        added = result.signature.output_arg.add()
        added.CopyFrom(argument)
        _strip_argument(added, f"o{i}")
        result.ret[f"o{i}"] = renamed_input(source, names)
    for i, name in enumerate(sorted({names[c] for c in controls})):
        result.control_ret[f"c{i}"] = name
        result.signature.control_output.append(f"c{i}")
    return result


def _strip_argument(argument: OpDef.ArgDef, name: str) -> None:
    argument.name = name
    argument.ClearField("description")
    argument.ClearField("handle_data")
    argument.ClearField("experimental_full_type")


def add_functions(result: GraphDef, source: GraphDef) -> None:
    """Adds the functions of the source that the result's nodes call, directly or indirectly."""
    functions = {f.signature.name: f for f in source.library.function}
    wanted: set[str] = set()
    pending = list(result.node)
    while pending:
        node = pending.pop()
        for name in [node.op, *(f.name for f in called_functions(node))]:
            if name in functions and name not in wanted:
                wanted.add(name)
                pending.extend(functions[name].node_def)
    result.library.function.extend(functions[name] for name in sorted(wanted))
