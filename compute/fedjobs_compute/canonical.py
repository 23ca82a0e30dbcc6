"""Canonical TensorFlow graphs: the same computation, traced in another process, gives the same bytes.

Tracing leaves traces of the process: counters in names of functions, variables and nodes, debug information, hints for
optimizers. Here nodes are named by their place in the graph, functions by their content, resources by their first
occurrence, and what does not change the result is dropped. Control inputs have no order of their own, so they are
ordered by what they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import blake3
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

NodeDef = tf.compat.v1.NodeDef
GraphDef = tf.compat.v1.GraphDef

# Attributes that carry names of the process, shapes inferred anyway, or hints; none changes a result.
_DROPPED_ATTRS = frozenset(
    {
        "_class",
        "_construction_context",
        "_gradient_op_type",
        "_has_manual_control_dependencies",
        "_output_shapes",
        "_read_only_resource_inputs",
        "_tf_data_function",
        "_user_specified_name",
        "_xla_inferred_shapes",
        "executor_type",
    }
)
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def _plain_config() -> bytes:
    """A session configuration without graph rewriting: what a silo has read is what runs."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return bytes(config.SerializeToString(deterministic=True))


_PLAIN_CONFIG = _plain_config()


class CanonicalError(ValueError):
    """The graph has something that has no canonical form."""


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
    _clean_nodes(result.node)
    renamed = _canonical_functions(result)
    for node in result.node:
        _rename_functions_in(node, renamed)
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
    order = _order(nodes, roots, names, _graph_input)
    used = set(feed_nodes) & _reachable(nodes, roots)
    result = GraphDef()
    result.versions.producer = 1395  # TensorFlow 2.14's; it decides on defaults of attributes
    resources: dict[bytes, bytes] = {}
    for name in [n for n in feed_nodes if n in used] + order:
        node = result.node.add()
        node.CopyFrom(nodes[name])
        _rename_node(node, names, _graph_input)
        _rename_resource(node, resources, f"{len(resources)}")
    _add_functions(result, graph)
    return CanonicalGraph(
        graph_def=result,
        feeds=tuple(f"{names[n]}:0" if n in used else None for n in feed_nodes),
        fetches=tuple(f"{names[t.partition(':')[0]]}:{t.partition(':')[2] or 0}" for t in fetches),
        operations=tuple(names[o] for o in operations),
    )


# --- inputs of nodes: a name, what follows it, and whether it is a control input


@dataclass(frozen=True)
class _Input:
    name: str
    suffix: str
    control: bool


def _graph_input(text: str) -> _Input:
    if text.startswith("^"):
        return _Input(text[1:], "", control=True)
    name, _, output = text.partition(":")
    return _Input(name, f":{output}" if output not in ("", "0") else "", control=False)


def _function_input(text: str) -> _Input:
    if text.startswith("^"):
        return _Input(text[1:], "", control=True)
    name, separator, output = text.partition(":")
    return _Input(name, separator + output, control=False)


_Parse = Callable[[str], _Input]


# --- order and names of nodes


def _order(nodes: Mapping[str, NodeDef], roots: Iterable[str], names: dict[str, str], parse: _Parse) -> list[str]:
    """Nodes reachable from the roots, inputs first; `names` receives their new names and has those of the feeds."""
    hashes = _structural_hashes(nodes, names, parse)
    order: list[str] = []
    for root in roots:
        stack = [root]
        while stack:
            name = stack[-1]
            if name in names:
                stack.pop()
                continue
            data, control = _inputs(nodes[name], parse)
            pending = [i for i in data if i not in names]
            if not pending:
                pending = [i for i in _sorted_controls(control, nodes, hashes, names, parse) if i not in names]
            if pending:
                stack.append(pending[0])
            else:
                names[name] = f"n{len(order)}"
                order.append(name)
                stack.pop()
    return order


def _inputs(node: NodeDef, parse: _Parse) -> tuple[list[str], list[str]]:
    parsed = [parse(text) for text in node.input]
    return [i.name for i in parsed if not i.control], [i.name for i in parsed if i.control]


def _sorted_controls(
    controls: list[str],
    nodes: Mapping[str, NodeDef],
    hashes: Mapping[str, bytes],
    names: Mapping[str, str],
    parse: _Parse,
) -> list[str]:
    """By structure; among equals (two variables set to the same zeros) by the names that their inputs already have."""

    def key(name: str) -> tuple[bytes, str, list[str]]:
        if name in names:
            return b"", names[name], []
        data, _ = _inputs(nodes[name], parse)
        return hashes[name], "", [names.get(i, "") for i in data]

    return sorted(set(controls), key=key)


def _structural_hashes(nodes: Mapping[str, NodeDef], named: Mapping[str, str], parse: _Parse) -> dict[str, bytes]:
    """A Merkle hash of each node: operation, attributes, and what goes in."""
    hashes = {name: blake3.blake3(new.encode()).digest() for name, new in named.items()}
    for root in nodes:
        stack, entered = [root], set()
        while stack:
            name = stack[-1]
            if name in hashes:
                stack.pop()
                continue
            parsed = [parse(text) for text in nodes[name].input]
            pending = [i.name for i in parsed if i.name not in hashes]
            if pending:
                if name in entered:
                    raise CanonicalError(f"the graph has a cycle through {name!r}: TensorFlow 1 control flow")
                entered.add(name)
                stack.extend(pending)
                continue
            hashes[name] = _node_hash(nodes[name], parsed, hashes)
            stack.pop()
    return hashes


def _node_hash(node: NodeDef, parsed: list[_Input], hashes: Mapping[str, bytes]) -> bytes:
    bare = NodeDef(op=node.op, device=node.device)
    for key, value in node.attr.items():
        if key != "shared_name":
            bare.attr[key].CopyFrom(value)
    hasher = blake3.blake3(bare.SerializeToString(deterministic=True))
    for i in parsed:
        if not i.control:
            hasher.update(hashes[i.name] + i.suffix.encode() + b"\0")
    for control in sorted(hashes[i.name] for i in parsed if i.control):
        hasher.update(b"^" + control)
    return bytes(hasher.digest())


def _reachable(nodes: Mapping[str, NodeDef], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    stack = list(roots)
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack.extend(_graph_input(text).name for text in nodes[name].input)
    return seen


def _rename_node(node: NodeDef, names: Mapping[str, str], parse: _Parse) -> None:
    node.name = names[node.name]
    parsed = [parse(text) for text in node.input]
    data = [names[i.name] + i.suffix for i in parsed if not i.control]
    control = sorted({f"^{names[i.name]}" for i in parsed if i.control})
    del node.input[:]
    node.input.extend(data + control)


def _rename_resource(node: NodeDef, resources: dict[bytes, bytes], fresh: str) -> None:
    """Names of resources: those that were equal stay equal; an empty one (private to its node) gets one of its own."""
    if "shared_name" not in node.attr:
        return
    old = node.attr["shared_name"].s
    if old or node.op == "VarHandleOp":
        key = old or b"\0" + node.name.encode()
        node.attr["shared_name"].s = resources.setdefault(key, b"r" + fresh.encode())


# --- attributes


def _clean_nodes(nodes: Iterable[NodeDef]) -> None:
    for node in nodes:
        node.ClearField("experimental_debug_info")
        for key in [k for k in node.attr if k in _DROPPED_ATTRS]:
            del node.attr[key]
        if node.op in _CALLS:
            node.attr["config_proto"].s = _PLAIN_CONFIG
            node.attr["config"].s = b""
        if "metadata" in node.attr and "Dataset" in node.op:
            node.attr["metadata"].s = b""


def _function_names(node: NodeDef) -> Iterable[tf.compat.v1.NameAttrList]:
    pending = [node.attr]
    while pending:
        for value in pending.pop().values():
            functions = [value.func] if value.HasField("func") else list(value.list.func)
            for function in functions:
                yield function
                pending.append(function.attr)


def _rename_functions_in(node: NodeDef, renamed: Mapping[str, str]) -> None:
    node.op = renamed.get(node.op, node.op)
    for function in _function_names(node):
        function.name = renamed.get(function.name, function.name)


# --- functions


def _canonical_functions(graph: GraphDef) -> dict[str, str]:
    """Replaces the library by one of canonical functions; returns old name -> new name."""
    functions = {f.signature.name: f for f in graph.library.function}
    renamed: dict[str, str] = {}
    canonical = {}

    def visit(name: str) -> None:
        if name in renamed:
            return
        renamed[name] = name  # a recursive function keeps its name
        function = functions[name]
        _clean_nodes(function.node_def)
        for node in function.node_def:
            for called in [node.op, *(f.name for f in _function_names(node))]:
                if called in functions:
                    visit(called)
        for node in function.node_def:
            _rename_functions_in(node, renamed)
        result = _canonical_function(function)
        content = blake3.blake3(result.SerializeToString(deterministic=True)).hexdigest()
        result.signature.name = renamed[name] = f"f_{content[:32]}"
        canonical[result.signature.name] = result

    for name in functions:
        visit(name)
    graph.library.Clear()
    graph.library.function.extend(canonical[name] for name in sorted(canonical))
    return renamed


def _canonical_function(function):  # type: ignore[no-untyped-def] # FunctionDef has no public name in TensorFlow
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
    hashes = _structural_hashes(nodes, names, _function_input)
    rest = sorted((n for n in nodes), key=lambda n: hashes[n])
    roots = [_function_input(r).name for r in returned] + sorted(controls, key=lambda n: hashes[n])
    keep = [n for n in rest if is_stateful(nodes[n].op)]
    order = _order(nodes, [*roots, *keep], names, _function_input)
    resources: dict[bytes, bytes] = {}
    for name in order:
        node = result.node_def.add()
        node.CopyFrom(nodes[name])
        _rename_node(node, names, _function_input)
        _rename_resource(node, resources, f"f{len(resources)}")
    for i, (argument, source) in enumerate(zip(function.signature.output_arg, returned, strict=True)):
        added = result.signature.output_arg.add()
        added.CopyFrom(argument)
        _strip_argument(added, f"o{i}")
        parsed = _function_input(source)
        result.ret[f"o{i}"] = names[parsed.name] + parsed.suffix
    for i, name in enumerate(sorted(set(names[c] for c in controls))):
        result.control_ret[f"c{i}"] = name
        result.signature.control_output.append(f"c{i}")
    result.signature.is_stateful = function.signature.is_stateful
    return result


def _strip_argument(argument, name: str) -> None:  # type: ignore[no-untyped-def]
    argument.name = name
    argument.ClearField("description")
    argument.ClearField("handle_data")
    argument.ClearField("experimental_full_type")


def is_stateful(op: str) -> bool:
    """Whether an operation may give something else when it is run again, or has an effect."""
    registered = op_def_registry.get(op)
    return registered is None or bool(registered.is_stateful)  # None: a function, or one that TensorFlow does not know


def _add_functions(result: GraphDef, source: GraphDef) -> None:
    """Adds those functions of the source that the result's nodes call, directly or through others."""
    functions = {f.signature.name: f for f in source.library.function}
    wanted: set[str] = set()
    pending = list(result.node)
    while pending:
        node = pending.pop()
        for name in [node.op, *(f.name for f in _function_names(node))]:
            if name in functions and name not in wanted:
                wanted.add(name)
                pending.extend(functions[name].node_def)
    result.library.function.extend(functions[name] for name in sorted(wanted))
