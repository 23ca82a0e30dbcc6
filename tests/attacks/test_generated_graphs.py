"""Every operation of TensorFlow, in every place where a graph can name an operation or a function.

TensorFlow replaces a branch by its function's nodes. If the function's name is that of an operation and not of a
function, it runs the operation. So a graph that seemed to have a branch read files.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_verifier import ALLOWED_OPERATIONS, verify

from tests.verifier.forging import GraphDef, bodies, forged, honest, named_functions

Named = Callable[[GraphDef, str], None]


@functools.cache
def registered() -> dict[str, Any]:
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    listed = op_def_pb2.OpList.FromString(bytes(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())))
    return {op.name: op for op in listed.op}


def _sites(graph: GraphDef) -> Iterator[tuple[str, Any]]:
    """Yields each kind of place where a function is named: its operation, and whether it is in a function."""
    for number, body in enumerate(bodies(graph)):
        for node in body:
            for position, function in enumerate(named_functions(node)):
                yield f"{node.op}, function {position}, {'inside' if number else 'top'}", function


def _function_named(site: str, *, lowered: bool) -> Named:
    def change(graph: GraphDef, name: str) -> None:
        dict(_sites(graph))[site].name = name
        if lowered:
            for body in bodies(graph):
                for node in body:
                    if any(True for _ in named_functions(node)):
                        node.attr["_lower_using_switch_merge"].b = True

    return change


def _op_named(*, inside: bool) -> Named:
    def change(graph: GraphDef, name: str) -> None:
        body = graph.library.function[0].node_def if inside else graph.node
        next(node for node in body if node.op != "Placeholder").op = name

    return change


def _library_function_named(graph: GraphDef, name: str) -> None:
    """The library has a function with the name of an operation, and everybody calls it."""
    old = graph.library.function[0].signature.name
    graph.library.function[0].signature.name = name
    for _, function in _sites(graph):
        if function.name == old:
            function.name = name


def _refused(serialized: bytes) -> bool:
    try:
        verify(serialized)
    except FedjobsError as error:
        assert error.code is ErrorCode.SHARD_REFUSED
        return True
    return False


def _places() -> dict[str, Named]:
    from fedjobs_protocol.v1 import shard_pb2

    graph = GraphDef.FromString(shard_pb2.Shard.FromString(honest()).work.segments[0].graph_def)
    sites = {name for name, _ in _sites(graph)}
    found = {
        f"{site}, lowered: {lowered}": _function_named(site, lowered=lowered) for site in sites for lowered in (0, 1)
    }
    return found | {"a function of the library": _library_function_named}


def test_no_operation_is_called_as_a_function() -> None:
    places = _places()
    assert len(places) > 20
    for kind in ("StatelessIf", "StatelessWhile", "StatelessCase", "MapDataset", "ReduceDataset", "PartitionedCall"):
        assert any(place.startswith(kind) for place in places), kind
    accepted = [
        (name, place)
        for name in registered()
        for place, change in places.items()
        if not _refused(forged(honest(), lambda graph, c=change, n=name: c(graph, n), named=False))
    ]
    assert accepted == []


@pytest.mark.parametrize("inside", [False, True], ids=["in the graph", "in a function"])
def test_only_allowed_operations_are_nodes(inside: bool) -> None:
    change = _op_named(inside=inside)
    accepted = [name for name in registered() if not _refused(forged(honest(), lambda graph, n=name: change(graph, n)))]
    assert set(accepted) <= ALLOWED_OPERATIONS


def _node(op: Any, graph: GraphDef, body: Any, function: str) -> bool:
    """Adds a node that TensorFlow itself would take: with its attributes, and inputs of the right types."""
    added = body.add(name=f"n{len(body)}", op=op.name)
    for attribute in op.attr:
        if not _filled(attribute, added.attr[attribute.name], function):
            return False
    inputs = []
    for argument in op.input_arg:
        types = [argument.type or added.attr[argument.type_attr].type] if not argument.type_list_attr else list(
            added.attr[argument.type_list_attr].list.type
        )  # fmt: skip
        inputs += types * (added.attr[argument.number_attr].i if argument.number_attr else 1)
    added.input.extend(f"constant of {dtype}" for dtype in inputs)
    return True


def _filled(attribute: Any, value: Any, function: str) -> bool:
    if attribute.HasField("default_value"):
        value.CopyFrom(attribute.default_value)
        return True
    allowed, least = attribute.allowed_values.list, max(attribute.minimum, 1)
    match attribute.type:
        case "type":
            value.type = allowed.type[0] if allowed.type else 1
        case "list(type)":
            value.list.type.extend([allowed.type[0] if allowed.type else 1] * least)
        case "int":
            value.i = least
        case "list(int)":
            value.list.i.extend([1] * least)
        case "string":
            value.s = allowed.s[0] if allowed.s else b""
        case "list(string)":
            value.list.s.extend([])
        case "bool":
            value.b = True
        case "float":
            value.f = 0.5
        case "list(float)":
            value.list.f.extend([0.5] * least)
        case "shape":
            value.shape.SetInParent()
        case "list(shape)":
            for _ in range(least):
                value.list.shape.add()
        case "tensor":
            value.tensor.dtype = 1
            value.tensor.tensor_shape.SetInParent()
        case "func":
            value.func.name = function
        case "list(func)":
            value.list.func.add(name=function)
        case _:
            return False
    return True


_PLAIN = {1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 7: "string_val",
          8: "scomplex_val", 9: "int64_val", 10: "bool_val", 14: "half_val", 17: "int_val", 18: "dcomplex_val",
          19: "half_val", 22: "uint32_val", 23: "uint64_val"}  # fmt: skip


def _alone(op: Any, *, allow: bool) -> tuple[bytes, bool]:
    """A shard whose work is one node of the operation with all it needs, fetched by an Identity or a control input."""
    from fedjobs_protocol.v1 import shard_pb2

    message = shard_pb2.Shard.FromString(honest())
    del message.client_inputs[:]
    graph = GraphDef.FromString(message.work.segments[0].graph_def)
    function = graph.library.function[0].signature.name
    del graph.node[:]
    complete = _node(op, graph, graph.node, function)
    (node,) = graph.node
    types = sorted({int(text.rsplit(" ", 1)[1]) for text in node.input})
    complete = complete and set(types) <= {*_PLAIN, 20, 21}
    copied = type(node)()
    copied.CopyFrom(node)
    del graph.node[:]
    names = {}
    for dtype in types:
        made = graph.node.add(name=f"n{len(graph.node)}", op="Const")
        names[f"constant of {dtype}"] = made.name
        if dtype == 20:
            made.op = "VarHandleOp"
            made.attr["dtype"].type = 1
            made.attr["shape"].shape.SetInParent()
            made.attr["shared_name"].s = b"r0"
            continue
        if dtype == 21:
            made.op = "OptionalNone"
            continue
        made.attr["dtype"].type = dtype
        made.attr["value"].tensor.dtype = dtype
        made.attr["value"].tensor.tensor_shape.SetInParent()
    copied.name = f"n{len(graph.node)}"
    inputs = [names[text] for text in copied.input]
    del copied.input[:]
    copied.input.extend(inputs)
    graph.node.append(copied)
    result = graph.node.add(name=f"n{len(graph.node)}", op="Const", input=[f"^{copied.name}"])
    result.attr["dtype"].type = 1
    result.attr["value"].tensor.dtype = 1
    result.attr["value"].tensor.tensor_shape.SetInParent()
    called = {f.name for f in named_functions(copied)}
    kept = [f for f in graph.library.function if f.signature.name in called]
    copies = [type(f).FromString(f.SerializeToString()) for f in kept]
    del graph.library.function[:]
    graph.library.function.extend(copies)
    if not copies:
        graph.ClearField("library")
    segment = message.work.segments[0]
    message.work.inputs = 0
    segment.graph_def = graph.SerializeToString(deterministic=True)
    del segment.inputs[:], segment.feeds[:]
    del segment.fetches[:]
    segment.fetches.append(f"{result.name}:0")
    del message.work.outputs[:]
    message.work.outputs.append(0)
    return message.SerializeToString(deterministic=True), complete


def test_of_whole_nodes_only_those_of_allowed_operations_pass() -> None:
    seen: Counter[str] = Counter()
    for name, op in registered().items():
        serialized, complete = _alone(op, allow=False)
        if not _refused(serialized):
            assert name in ALLOWED_OPERATIONS
            seen["accepted"] += 1
        elif name in ALLOWED_OPERATIONS and complete:
            seen["allowed and refused"] += 1
    assert seen["accepted"] > 500, "the nodes are no nodes, so that their refusal says nothing"
