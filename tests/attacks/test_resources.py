"""Variables and tables that are used with another data type than they have, which ends TensorFlow's process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf
from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import ALLOWED_OPERATIONS, verify
from fedjobs_verifier.dtypes import RESOURCE
from tensorflow.core.framework import types_pb2

from tests.attacks.test_generated_graphs import alone, registered
from tests.verifier.forging import GraphDef, forged
from tests.worker.shard_builders import shard

# Operations whose resource is no variable, or whose data type does not matter.
_OTHERS = ("Iterator", "Lookup", "Table", "Seed", "Shuffle", "RandomDataset", "DestroyResource", "DisableCopyOnRead",
           "VarIsInitialized", "VariableShape")  # fmt: skip


def _of_a_variable() -> list[str]:
    with_resource = [
        op.name
        for op in registered().values()
        if op.name in ALLOWED_OPERATIONS and any(argument.type == RESOURCE for argument in op.input_arg)
    ]
    return [name for name in with_resource if not any(word in name for word in _OTHERS)]


def _with_variable(serialized: bytes, dtype: int) -> bytes:
    message = shard_pb2.Shard.FromString(serialized)
    graph = GraphDef.FromString(message.work.segments[0].graph_def)
    for node in graph.node:
        if node.op == "VarHandleOp":
            node.attr["dtype"].type = dtype
    message.work.segments[0].graph_def = graph.SerializeToString(deterministic=True)
    return message.SerializeToString(deterministic=True)


def _accepted(serialized: bytes) -> bool:
    try:
        verify(serialized)
    except FedjobsError:
        return False
    return True


def test_each_operation_takes_variables_of_its_own_data_type_only() -> None:
    passed = {}
    for name in _of_a_variable():
        serialized, _ = alone(registered()[name])
        passed[name] = [t for t in (1, 2, 3, 7, 9, 21) if _accepted(_with_variable(serialized, t))]
    assert len(passed) > 40
    int64 = {name for name, dtypes in passed.items() if dtypes == [types_pb2.DT_INT64]}
    assert {name for name, dtypes in passed.items() if dtypes != [types_pb2.DT_FLOAT]} == int64
    assert all(name.startswith(("Stateful", "Rng")) for name in int64)


def _variables(*, into_function: bool = False) -> bytes:
    def read(handle: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

    def work() -> list[tf.Tensor]:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="v")
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=1.0)]):
            return [tf.function(read, autograph=False)(handle) if into_function else read(handle)]

    return shard([], [], work)


def _int32(graph: GraphDef) -> None:
    next(node for node in graph.node if node.op == "VarHandleOp").attr["dtype"].type = types_pb2.DT_INT32


def test_a_function_gets_variables_of_the_data_type_that_it_reads() -> None:
    verify(_variables(into_function=True))
    with pytest.raises(FedjobsError, match="its variable has int32"):
        verify(forged(_variables(into_function=True), _int32))


def test_a_variable_has_one_data_type_in_all_nodes() -> None:
    def work() -> list[tf.Tensor]:
        handles = [tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="v") for _ in range(2)]
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handles[0], value=1.0)]):
            return [tf.cast(tf.raw_ops.VarIsInitializedOp(resource=handles[1]), tf.float32)]

    def change(graph: GraphDef) -> None:
        read = next(node for node in graph.node if node.op == "VarIsInitializedOp")
        next(node for node in graph.node if node.name == read.input[0]).attr["dtype"].type = types_pb2.DT_INT32

    verify(shard([], [], work))
    with pytest.raises(FedjobsError, match="'r0' is of other types in other nodes"):
        verify(forged(shard([], [], work), change))


_TABLES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "find": lambda t: tf.raw_ops.LookupTableFindV2(table_handle=t, keys=tf.constant([1], tf.int64), default_value=0.0),
    "export": lambda t: tf.raw_ops.LookupTableExportV2(table_handle=t, Tkeys=tf.int64, Tvalues=tf.float32)[1],
}


@pytest.mark.parametrize("attribute", ["key_dtype", "value_dtype"])
@pytest.mark.parametrize("use", _TABLES)
def test_a_table_has_the_data_types_with_which_it_is_used(use: str, attribute: str) -> None:
    def work() -> list[tf.Tensor]:
        table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32, shared_name="t")
        return [tf.reduce_sum(_TABLES[use](table))]

    def change(graph: GraphDef) -> None:
        next(node for node in graph.node if node.op == "MutableHashTableV2").attr[attribute].type = types_pb2.DT_INT8

    verify(shard([], [], work))
    with pytest.raises(FedjobsError, match="its table has"):
        verify(forged(shard([], [], work), change))


_PASSING: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "pack": lambda handle: tf.raw_ops.Pack(values=[handle]),
    "reshape": lambda handle: tf.raw_ops.Reshape(tensor=handle, shape=tf.constant([1])),
    "dataset": lambda handle: tf.raw_ops.TensorDataset(components=[handle], output_shapes=[[]]),
    "optional": lambda handle: tf.raw_ops.OptionalFromValue(components=[handle]),
    "list": lambda handle: tf.raw_ops.TensorListPushBack(
        input_handle=tf.raw_ops.EmptyTensorList(
            element_shape=tf.constant([], tf.int32), max_num_elements=1, element_dtype=tf.resource
        ),
        tensor=handle,
    ),
}


@pytest.mark.parametrize("way", _PASSING)
def test_a_resource_is_one_value_that_only_functions_pass_on(way: str) -> None:
    """TensorFlow reads the first element of a tensor of resources, also if it is empty."""

    def work() -> list[tf.Tensor]:
        passed = _PASSING[way](tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="v"))
        with tf.control_dependencies([passed]):
            return [tf.constant(1.0)]

    with pytest.raises(FedjobsError, match="a resource"):
        verify(shard([], [], work))
