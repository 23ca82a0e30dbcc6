"""Canonicalizes the functions of a graph's library: names them by their content."""

from __future__ import annotations

import blake3
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.op_def_pb2 import OpDef

from fedjobs_compute.canonical.attributes import called_functions, clean_nodes, is_stateful, rename_functions_in
from fedjobs_compute.canonical.nodes import function_input, ordered, rename_node, rename_resource, structural_hashes


def canonicalize_library(graph: GraphDef) -> dict[str, str]:
    """Replaces the functions of the library by canonical ones. Returns the new names by the old names."""
    functions = {f.signature.name: f for f in graph.library.function}
    renamed: dict[str, str] = {}
    canonical = {}

    def visit(name: str) -> None:
        if name in renamed:
            return
        renamed[name] = name  # a recursive function keeps its name
        function = functions[name]
        clean_nodes(function.node_def)
        for node in function.node_def:
            for called in [node.op, *(f.name for f in called_functions(node))]:
                if called in functions:
                    visit(called)
        for node in function.node_def:
            rename_functions_in(node, renamed)
        result = _canonical_function(function)
        content = blake3.blake3(result.SerializeToString(deterministic=True)).hexdigest()
        result.signature.name = renamed[name] = f"f_{content[:32]}"
        canonical[result.signature.name] = result

    for name in functions:
        visit(name)
    graph.library.Clear()
    graph.library.function.extend(canonical[name] for name in sorted(canonical))
    return renamed


def _canonical_function(function: FunctionDef) -> FunctionDef:
    result = type(function)()
    names: dict[str, str] = {}
    for i, argument in enumerate(function.signature.input_arg):
        names[argument.name] = f"a{i}"
        added = result.signature.input_arg.add()
        added.CopyFrom(argument)
        _strip_argument(added, f"a{i}")
    nodes = {node.name: node for node in function.node_def}
    returned = [function.ret[o.name] for o in function.signature.output_arg]
    controls = list(function.control_ret.values())
    hashes = structural_hashes(nodes, names, function_input)
    rest = sorted(nodes, key=lambda n: hashes[n])
    roots = [function_input(r).name for r in returned] + sorted(controls, key=lambda n: hashes[n])
    keep = [n for n in rest if is_stateful(nodes[n].op)]
    order = ordered(nodes, [*roots, *keep], names, function_input)
    resources: dict[bytes, bytes] = {}
    for name in order:
        node = result.node_def.add()
        node.CopyFrom(nodes[name])
        rename_node(node, names, function_input)
        rename_resource(node, resources, f"f{len(resources)}")
    for i, (argument, source) in enumerate(zip(function.signature.output_arg, returned, strict=True)):
        added = result.signature.output_arg.add()
        added.CopyFrom(argument)
        _strip_argument(added, f"o{i}")
        parsed = function_input(source)
        result.ret[f"o{i}"] = names[parsed.name] + parsed.suffix
    for i, name in enumerate(sorted({names[c] for c in controls})):
        result.control_ret[f"c{i}"] = name
        result.signature.control_output.append(f"c{i}")
    result.signature.is_stateful = function.signature.is_stateful
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
