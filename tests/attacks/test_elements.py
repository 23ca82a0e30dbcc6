"""Datasets whose operations declare other elements than there are.

TensorFlow believes these declarations. It batches elements of one type as if they were of another, and so reads and
writes beyond them, or reads a number as an address.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import ALLOWED_OPERATIONS, verify
from tensorflow.core.framework import types_pb2

from tests.attacks.dataset_graphs import GRAPHS, over_examples, variant
from tests.verifier.forging import GraphDef, bodies, forged, named_functions

_INT8, _STRING = types_pb2.DT_INT8, types_pb2.DT_STRING
Lie = Callable[[GraphDef], None]


@functools.cache
def _honest(operation: str) -> bytes:
    return over_examples(GRAPHS[operation])


def _graph(serialized: bytes) -> GraphDef:
    return GraphDef.FromString(shard_pb2.Shard.FromString(serialized).work.segments[0].graph_def)


def _nodes(graph: GraphDef) -> list[Any]:
    return [node for body in bodies(graph) for node in body]


_DECLARING = ("output_types", "Toutput_types")


def _lies_about_types(graph: GraphDef, operation: str) -> Iterator[tuple[str, Lie]]:
    """Another type at each place where a node of this operation declares one; one more; one less; and so for shapes."""
    for at, node in enumerate(_nodes(graph)):
        if node.op != operation:
            continue
        for name in [name for name in _DECLARING if name in node.attr]:
            count = len(node.attr[name].list.type)
            for position in range(count):
                for type_ in (_STRING,) if operation == "RangeDataset" else (_INT8, _STRING):  # it can make int8
                    yield (
                        f"node {at}, {name}[{position}]",
                        lambda g, a=at, n=name, p=position, t=type_: _nodes(g)[a].attr[n].list.type.__setitem__(p, t),
                    )
            yield f"node {at}, more types", lambda g, a=at, n=name: _nodes(g)[a].attr[n].list.type.append(_INT8)
            if count > 1:
                yield f"node {at}, fewer types", lambda g, a=at, n=name: _nodes(g)[a].attr[n].list.type.pop()
        if "output_shapes" in node.attr:
            yield f"node {at}, more shapes", lambda g, a=at: _nodes(g)[a].attr["output_shapes"].list.shape.add()
            if len(node.attr["output_shapes"].list.shape) > 1:
                yield f"node {at}, fewer shapes", lambda g, a=at: _nodes(g)[a].attr["output_shapes"].list.shape.pop()


def _lies_of_functions(graph: GraphDef, operation: str) -> Iterator[tuple[str, Lie]]:
    """Another type at each output of each function that a node of this operation calls."""
    for at, node in enumerate(_nodes(graph)):
        for number, called in enumerate(named_functions(node)) if node.op == operation else ():
            function = _function(graph, called.name)
            for position, output in enumerate(function.signature.output_arg):
                if output.type != types_pb2.DT_VARIANT:
                    yield f"function {number}, output {position}", functools.partial(_cast, at, number, position)
            yield f"function {number}, one output less", functools.partial(_drop, at, number)


def _function(graph: GraphDef, name: str) -> Any:
    return next(f for f in graph.library.function if f.signature.name == name)


def _cast(at: int, number: int, position: int, graph: GraphDef) -> None:
    """Lets a function return one of its outputs as int8."""
    function = _function(graph, list(named_functions(_nodes(graph)[at]))[number].name)
    output = function.signature.output_arg[position]
    cast = function.node_def.add(name=f"n{len(function.node_def)}", op="Cast", input=[function.ret[output.name]])
    cast.attr["SrcT"].type, cast.attr["DstT"].type, cast.attr["Truncate"].b = output.type, _INT8, False
    function.ret[output.name] = f"{cast.name}:y:0"
    output.type = _INT8


def _drop(at: int, number: int, graph: GraphDef) -> None:
    function = _function(graph, list(named_functions(_nodes(graph)[at]))[number].name)
    del function.ret[function.signature.output_arg[-1].name]
    function.signature.output_arg.pop()


def _lies(operation: str) -> Iterator[tuple[str, bytes]]:
    honest = _honest(operation)
    graph = _graph(honest)
    declaring = {"SparseTensorSliceDataset": "SkipDataset"}.get(operation, operation)  # the former declares nothing
    for lies in (_lies_about_types, _lies_of_functions):
        for name, lie in lies(graph, declaring):
            serialized = forged(honest, lie)
            if serialized != honest:
                yield name, serialized
    message = shard_pb2.Shard.FromString(honest)
    for component in message.client_inputs[0].sequence.components if message.work.segments[0].inputs else ():
        before, component.tensor.dtype = component.tensor.dtype, "int8"
        yield f"input {component.name}", message.SerializeToString(deterministic=True)
        component.tensor.dtype = before


@pytest.mark.parametrize("operation", GRAPHS)
def test_a_dataset_operation_cannot_lie_about_elements(operation: str) -> None:
    assert operation in verify(_honest(operation)).operations
    accepted, refusals = [], []
    for name, serialized in _lies(operation):
        try:
            verify(serialized)
            accepted.append(name)
        except FedjobsError as error:
            refusals.append(error)
    assert accepted == []
    assert {error.code for error in refusals} == {ErrorCode.SHARD_REFUSED}
    assert max(len(error.message) for error in refusals) < 600


def test_there_is_a_graph_for_each_operation_that_declares_elements() -> None:
    declaring = {
        name for name in ALLOWED_OPERATIONS if name.endswith(("Dataset", "DatasetV2", "DatasetV3", "DatasetV4"))
    }
    older_iterators = {"AnonymousIterator", "AnonymousIteratorV2"}
    from fedjobs_verifier.operations import known

    declaring |= {name for name, operation in known().items() if "output_types" in operation.attributes}
    assert declaring - GRAPHS.keys() == older_iterators


def _first(graph: GraphDef, op: str) -> Any:
    return next(node for node in _nodes(graph) if node.op == op)


def test_numbers_are_not_batched_as_strings() -> None:
    """Without verification, TensorFlow reads from the address that is the number, and the process ends."""

    def change(dataset: Any) -> tf.Tensor:
        addresses = dataset.map(lambda _, y: tf.cast(y, tf.int64) + 0x4141414141)
        return variant(addresses.padded_batch(4))

    def lie(graph: GraphDef) -> None:
        for node in _nodes(graph):
            if node.op == "MapDataset":
                node.attr["output_types"].list.type[:] = [_STRING]
            if node.op == "PaddedBatchDatasetV2":
                node.attr["Toutput_types"].list.type[:] = [_STRING]
                padding = next(n for n in graph.node if n.name == node.input[3])
                assert padding.op == "Const"
                padding.attr["dtype"].type = _STRING
                padding.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(""))

    honest = over_examples(change)
    verify(honest)
    with pytest.raises(FedjobsError, match=r"MapDataset.*output_types declares string, and .* are int64"):
        verify(forged(honest, lie))


def _two_kinds(dataset: Any) -> tuple[tf.Tensor, tf.Tensor]:
    return variant(dataset.map(lambda x, _: x)), variant(dataset.map(lambda _, y: y))


def _batched(elements: tf.Tensor) -> tf.Tensor:
    return variant(tf.data.experimental.from_variant(elements, tf.TensorSpec([2], tf.float32)).batch(2))


def _by_branch(dataset: Any) -> tf.Tensor:
    floats, ints = _two_kinds(dataset)
    return _batched(tf.cond(tf.constant(True), lambda: ints, lambda: floats))


def _by_call(dataset: Any) -> tf.Tensor:
    _, ints = _two_kinds(dataset)
    return tf.function(_batched, autograph=False)(ints)


def _by_loop(dataset: Any) -> tf.Tensor:
    floats, ints = _two_kinds(dataset)
    return _batched(tf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, b, a), [0, floats, ints])[1])


def _by_list(dataset: Any) -> tf.Tensor:
    _, ints = _two_kinds(dataset)
    made = tf.raw_ops.TensorListFromTensor(tensor=tf.stack([ints]), element_shape=tf.constant([], tf.int32))
    return _batched(
        tf.raw_ops.TensorListGetItem(
            input_handle=made, index=0, element_shape=tf.constant([], tf.int32), element_dtype=tf.variant
        )
    )


def _by_window(dataset: Any) -> tf.Tensor:
    return variant(
        dataset.map(lambda _, y: y).window(2).flat_map(
            lambda w: tf.data.experimental.from_variant(_batched(variant(w)), tf.TensorSpec([None, 2], tf.float32))
        )
    )  # fmt: skip


def _by_optional(dataset: Any) -> tf.Tensor:
    _, ints = _two_kinds(dataset)
    made = tf.raw_ops.OptionalFromValue(components=[ints])
    return _batched(tf.raw_ops.OptionalGetValue(optional=made, output_types=[tf.variant], output_shapes=[[]])[0])


def _by_selection(dataset: Any) -> tf.Tensor:
    floats, ints = _two_kinds(dataset)
    return _batched(tf.stack([floats, ints])[1])


def _by_table_of_datasets(dataset: Any) -> tf.Tensor:
    floats, ints = _two_kinds(dataset)
    slices = tf.raw_ops.TensorSliceDataset(components=[tf.stack([floats, ints])], output_shapes=[[]])
    nested = tf.data.experimental.from_variant(slices, tf.TensorSpec([], tf.variant))
    return variant(
        nested.flat_map(lambda v: tf.data.experimental.from_variant(v, tf.TensorSpec([2], tf.float32))).batch(2)
    )


def _by_sharing_an_iterator(dataset: Any) -> tf.Tensor:
    _, ints = _two_kinds(dataset)
    iterator = tf.raw_ops.AnonymousIteratorV3(output_types=[tf.float32], output_shapes=[[2]])
    with tf.control_dependencies([tf.raw_ops.MakeIterator(dataset=ints, iterator=iterator)]):
        return tf.raw_ops.IteratorGetNext(iterator=iterator, output_types=[tf.float32], output_shapes=[[2]])[0]


@pytest.mark.parametrize(
    "way",
    [_by_branch, _by_call, _by_loop, _by_list, _by_window, _by_optional, _by_selection, _by_table_of_datasets,
     _by_sharing_an_iterator],
)  # fmt: skip
def test_elements_are_known_wherever_a_dataset_goes(way: Callable[[Any], tf.Tensor]) -> None:
    with pytest.raises(FedjobsError) as caught:
        verify(over_examples(way))
    assert caught.value.code is ErrorCode.SHARD_REFUSED


def test_datasets_pass_through_branches_loops_calls_and_windows_if_their_elements_stay_the_same() -> None:
    def change(dataset: Any) -> tf.Tensor:
        floats, _ = _two_kinds(dataset)
        same = tf.cond(tf.constant(True), lambda: floats, lambda: tf.identity(floats))
        same = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a), [0, same])[1]
        same = tf.function(tf.identity, autograph=False)(tf.unstack(tf.stack([same, same]))[1])
        windows = tf.data.experimental.from_variant(same, tf.TensorSpec([2], tf.float32)).window(2)
        return variant(windows.flat_map(lambda w: w.batch(2)))

    verify(over_examples(change))


def test_a_function_is_checked_for_each_kind_of_dataset_that_it_gets() -> None:
    counted = tf.function(lambda v: tf.raw_ops.DatasetCardinality(input_dataset=v), autograph=False)

    def change(dataset: Any) -> tf.Tensor:
        floats, ints = _two_kinds(dataset)
        return counted(floats) + counted(ints)

    verify(over_examples(change))
