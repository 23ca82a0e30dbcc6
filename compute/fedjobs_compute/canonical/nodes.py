"""Orders and renames the nodes of a graph or a function.

Data inputs are ordered. Control inputs are not, so they are sorted by the structure of their nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import blake3
from tensorflow.core.framework.node_def_pb2 import NodeDef


class CanonicalError(ValueError):
    """The graph has no canonical form."""


@dataclass(frozen=True)
class Input:
    name: str
    suffix: str
    control: bool


def graph_input(text: str) -> Input:
    if text.startswith("^"):
        return Input(text[1:], "", control=True)
    name, _, output = text.partition(":")
    return Input(name, f":{output}" if output not in ("", "0") else "", control=False)


def function_input(text: str) -> Input:
    if text.startswith("^"):
        return Input(text[1:], "", control=True)
    name, separator, output = text.partition(":")
    return Input(name, separator + output, control=False)


Parse = Callable[[str], Input]


def ordered(nodes: Mapping[str, NodeDef], roots: Iterable[str], names: dict[str, str], parse: Parse) -> list[str]:
    """Returns the nodes that are reachable from the roots, inputs first.

    `names` has the new names of the feeds, and receives the new names of the nodes.
    """
    hashes = structural_hashes(nodes, names, parse)
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


def _inputs(node: NodeDef, parse: Parse) -> tuple[list[str], list[str]]:
    parsed = [parse(text) for text in node.input]
    return [i.name for i in parsed if not i.control], [i.name for i in parsed if i.control]


def _sorted_controls(
    controls: list[str],
    nodes: Mapping[str, NodeDef],
    hashes: Mapping[str, bytes],
    names: Mapping[str, str],
    parse: Parse,
) -> list[str]:
    """Sorts control inputs by structure, and then by the new names of their inputs.

    The second key separates equal structures, such as two variables that are set to the same zeros.
    """

    def key(name: str) -> tuple[bytes, str, list[str]]:
        if name in names:
            return b"", names[name], []
        data, _ = _inputs(nodes[name], parse)
        return hashes[name], "", [names.get(i, "") for i in data]

    return sorted(set(controls), key=key)


def structural_hashes(nodes: Mapping[str, NodeDef], named: Mapping[str, str], parse: Parse) -> dict[str, bytes]:
    """Returns a Merkle hash of each node: of its operation, its attributes and its inputs."""
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
                    raise CanonicalError(f"the graph has a cycle through {name!r} (TensorFlow 1 control flow)")
                entered.add(name)
                stack.extend(pending)
                continue
            hashes[name] = _node_hash(nodes[name], parsed, hashes)
            stack.pop()
    return hashes


def _node_hash(node: NodeDef, parsed: list[Input], hashes: Mapping[str, bytes]) -> bytes:
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


def reachable(nodes: Mapping[str, NodeDef], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    stack = list(roots)
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack.extend(graph_input(text).name for text in nodes[name].input)
    return seen


def rename_node(node: NodeDef, names: Mapping[str, str], parse: Parse) -> None:
    node.name = names[node.name]
    parsed = [parse(text) for text in node.input]
    data = [names[i.name] + i.suffix for i in parsed if not i.control]
    control = sorted({f"^{names[i.name]}" for i in parsed if i.control})
    del node.input[:]
    node.input.extend(data + control)


def rename_resource(node: NodeDef, resources: dict[bytes, bytes], fresh: str) -> None:
    """Renames the node's resource. Equal names stay equal. An empty name (private to its node) gets a unique name."""
    if "shared_name" not in node.attr:
        return
    old = node.attr["shared_name"].s
    if old or node.op == "VarHandleOp":
        key = old or b"\0" + node.name.encode()
        node.attr["shared_name"].s = resources.setdefault(key, b"r" + fresh.encode())
