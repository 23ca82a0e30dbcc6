"""Every operation of TensorFlow, in every place where a graph can name an operation or a function.

TensorFlow replaces a branch by its function's nodes. If the function's name is that of an operation and not of a
function, it runs the operation. So a graph that seemed to have a branch read files.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fedjobs_common.errors import FedjobsError
from fedjobs_compute.canonical import CanonicalError, canonical_shard
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import ALLOWED_OPERATIONS, verify

from tests.attacks.dataset_graphs import GRAPHS, over_examples
from tests.verifier.forging import GraphDef, bodies, forged, honest, name_functions, named_functions

Named = Callable[[GraphDef, str], None]


@functools.cache
def registered() -> dict[str, Any]:
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    listed = op_def_pb2.OpList.FromString(bytes(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())))
    return {op.name: op for op in listed.op}


def _calls(graph: GraphDef) -> Iterator[tuple[Any, Any]]:
    """Yields each node that names a function, with that name."""
    for body in bodies(graph):
        for node in body:
            for function in named_functions(node):
                yield node, function


def _op_named(*, inside: bool) -> Named:
    def change(graph: GraphDef, name: str) -> None:
        body = graph.library.function[0].node_def if inside else graph.node
        next(node for node in body if node.op != "Placeholder").op = name

    return change


def _refused(serialized: bytes) -> bool:
    with contextlib.suppress(FedjobsError):  # any other exception ends the test
        verify(serialized)
        return False
    return True


@functools.cache
def _calling() -> dict[str, bytes]:
    """Shards with one node that calls a function, for each operation that can."""
    calling = [op for op in registered().values() if any("func" in a.type for a in op.attr)]
    found = {op.name: alone(op)[0] for op in calling}
    return {name: serialized for name, serialized in found.items() if not _refused(serialized)}


def test_no_operation_is_called_as_a_function() -> None:
    assert set(_calling()) >= {
        "Case", "If", "PartitionedCall", "StatefulPartitionedCall", "StatelessCase", "StatelessIf", "StatelessWhile",
        "While",
    }  # fmt: skip
    cases, accepted = 0, []
    for caller, serialized in _calling().items():
        message = shard_pb2.Shard.FromString(serialized)
        segment = message.work.segments[0]
        graph = GraphDef.FromString(segment.graph_def)
        node = next(node for node in graph.node if node.op == caller)
        for number, function in enumerate(named_functions(node)):
            honest_name = function.name
            for name in registered():
                function.name = name
                segment.graph_def = graph.SerializeToString(deterministic=True)
                cases += 1
                if not _refused(message.SerializeToString(deterministic=True)):
                    accepted.append((caller, number, name))
            function.name = honest_name
    assert accepted == []
    assert cases > 10_000


@pytest.mark.parametrize(
    "caller", ["FilterDataset", "FlatMapDataset", "GroupByWindowDataset", "MapDataset", "ReduceDataset"]
)
def test_no_operation_is_called_by_a_dataset(caller: str) -> None:
    honest_ = over_examples(GRAPHS[caller])
    verify(honest_)
    count = len(list(named_functions(_of(GraphDef.FromString(_segment(honest_).graph_def), caller))))
    names = [*_REACHING_OUT, *sorted(registered())[::20]]

    def called(graph: GraphDef, number: int, name: str) -> None:
        list(named_functions(_of(graph, caller)))[number].name = name

    accepted = [
        (number, name)
        for number in range(count)
        for name in names
        if not _refused(forged(honest_, lambda graph, n=number, f=name: called(graph, n, f)))
    ]
    assert accepted == []


def _segment(serialized: bytes) -> shard_pb2.Segment:
    return shard_pb2.Shard.FromString(serialized).work.segments[0]


def _of(graph: GraphDef, op: str) -> Any:
    return next(node for body in bodies(graph) for node in body if node.op == op)


_REACHING_OUT = ("ReadFile", "WriteFile", "PyFunc", "MatchingFiles", "RestoreV2", "SaveV2", "_Send", "PrintV2")


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("name", _REACHING_OUT)
def test_nowhere_in_a_graph_is_an_operation_called_as_a_function(name: str, lowered: bool) -> None:
    def change(graph: GraphDef, position: int) -> None:
        node, function = list(_calls(graph))[position]
        function.name = name
        if lowered:
            node.attr["_lower_using_switch_merge"].b = True

    places = list(_calls(GraphDef.FromString(shard_pb2.Shard.FromString(honest()).work.segments[0].graph_def)))
    assert {node.op for node, _ in places} >= {"MapDataset", "StatelessIf", "StatelessWhile", "StatelessCase"}
    for position in range(len(places)):
        for named in (False, True):
            assert _refused(forged(honest(), lambda graph, p=position: change(graph, p), named=named))


@pytest.mark.parametrize("name", _REACHING_OUT)
def test_no_function_has_the_name_of_an_operation(name: str) -> None:
    def change(graph: GraphDef, position: int) -> None:
        old = graph.library.function[position].signature.name
        graph.library.function[position].signature.name = name
        for _, function in _calls(graph):
            if function.name == old:
                function.name = name

    count = len(GraphDef.FromString(shard_pb2.Shard.FromString(honest()).work.segments[0].graph_def).library.function)
    for position in range(count):
        assert _refused(forged(honest(), lambda graph, p=position: change(graph, p)))


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
    """Gives an attribute its default, or a value that its definition allows."""
    if attribute.HasField("default_value"):
        value.CopyFrom(attribute.default_value)
        return True
    allowed, least = attribute.allowed_values.list, max(attribute.minimum, 1)
    kind = attribute.type.removeprefix("list(").removesuffix(")")
    one: dict[str, Any] = {
        "type": {"type": allowed.type[0] if allowed.type else 1},
        "int": {"i": least},
        "string": {"s": allowed.s[0] if allowed.s else b""},
        "bool": {"b": True},
        "float": {"f": 0.5},
        "shape": {"shape": {}},
        "tensor": {"tensor": {"dtype": 1, "tensor_shape": {}}},
        "func": {"func": {"name": function}},
    }
    if attribute.type.startswith("list("):
        ((field, entry),) = one[kind].items()
        value.CopyFrom(type(value)(list={field: [entry] * (1 if kind == "func" else least)}))
    else:
        value.CopyFrom(type(value)(**one[kind]))
    return kind in one


_PLAIN = {1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 7: "string_val",
          8: "scomplex_val", 9: "int64_val", 10: "bool_val", 14: "half_val", 17: "int_val", 18: "dcomplex_val",
          19: "half_val", 22: "uint32_val", 23: "uint64_val"}  # fmt: skip


def alone(op: Any) -> tuple[bytes, bool]:
    """A shard whose work is one node of the operation with all it needs, fetched by an Identity or a control input."""
    message = shard_pb2.Shard.FromString(honest())
    del message.client_inputs[:]
    graph = GraphDef.FromString(message.work.segments[0].graph_def)
    del graph.node[:], graph.library.function[:]
    identity = graph.library.function.add()  # of one float
    identity.signature.name = "f_"
    identity.signature.input_arg.add(name="a0", type=1)
    identity.signature.output_arg.add(name="o0", type=1)
    identity.ret["o0"] = "a0"
    name_functions(graph)
    function = graph.library.function[0].signature.name
    complete = _node(op, graph, graph.node, function)
    (node,) = graph.node
    types = sorted({int(text.rsplit(" ", 1)[1]) for text in node.input})
    types = sorted({*types, 1}) if 21 in types else types
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
            made.op = "TensorDataset"  # of one float
            made.input.append(names["constant of 1"])
            made.attr["Toutput_types"].list.type.append(1)
            made.attr["output_shapes"].list.shape.add()
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
    with contextlib.suppress(CanonicalError):
        message = canonical_shard(message)
    return message.SerializeToString(deterministic=True), complete


def test_of_whole_nodes_only_those_of_allowed_operations_pass() -> None:
    seen: Counter[str] = Counter()
    for name, op in registered().items():
        serialized, complete = alone(op)
        if not _refused(serialized):
            assert name in ALLOWED_OPERATIONS
            seen["accepted"] += 1
        elif name in ALLOWED_OPERATIONS and complete:
            seen["allowed and refused"] += 1
    assert seen["accepted"] > 500, "the nodes are no nodes, so that their refusal says nothing"
