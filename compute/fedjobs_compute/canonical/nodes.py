"""Orders and renames the nodes of a graph or a function, as the verifier wants them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fedjobs_verifier import order
from tensorflow.core.framework.node_def_pb2 import NodeDef


class CanonicalError(ValueError):
    """The graph has no canonical form."""


def canonical_order(
    nodes: Mapping[str, NodeDef],
    results: Sequence[str],
    controls: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Returns the names of the nodes that the results need, in the canonical order. See the verifier's function.

    Raises:
        CanonicalError: The graph has a cycle, or nodes that have no order.
    """
    try:
        return order.canonical_order(nodes, results, controls, labels)
    except order.OrderError as error:
        raise CanonicalError(f"{error}") from error


def rename_node(node: NodeDef, names: Mapping[str, str]) -> None:
    node.name = names[node.name]
    data = [renamed_input(text, names) for text in node.input if not text.startswith("^")]
    control = sorted({f"^{names[text[1:]]}" for text in node.input if text.startswith("^")})
    del node.input[:]
    node.input.extend(data + control)


def renamed_input(text: str, names: Mapping[str, str]) -> str:
    name, colon, output = text.partition(":")
    return names[name] + colon + output


def rename_resource(node: NodeDef, resources: dict[bytes, bytes], fresh: str) -> None:
    """Renames the node's resource. Equal names stay equal. An empty name (private to its node) gets a unique name."""
    if "shared_name" not in node.attr:
        return
    old = node.attr["shared_name"].s
    if old or node.op == "VarHandleOp":
        key = old or b"\0" + node.name.encode()
        node.attr["shared_name"].s = resources.setdefault(key, b"r" + fresh.encode())
