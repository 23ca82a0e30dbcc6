"""Graphs that take what the runner shares with others: memory, threads, and resources of the whole process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_common.errors import FedjobsError
from fedjobs_compute.shards import LoadedShard
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import limits, verify

from tests.verifier.forging import GraphDef, bodies, forged
from tests.worker.shard_builders import sequence, shard, tensor

HUGE = 1 << 60


def _over_numbers(change: Callable[[Any], Any]) -> bytes:
    def work(numbers: tf.data.Dataset) -> list[tf.Tensor]:
        return [change(numbers).reduce(0.0, lambda total, x: total + tf.reduce_sum(x))]

    return shard([], [sequence(x=tensor("float32"))], work)


def _total(dataset: tf.data.Dataset) -> tf.data.Dataset:
    return dataset.map(lambda *x: tf.reduce_sum(x))


def _inner(*x: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(tf.reduce_sum(x))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.shuffle(HUGE, seed=1),
        lambda d: _total(d.batch(HUGE)),
        lambda d: _total(d.padded_batch(HUGE)),
        lambda d: d.interleave(_inner, cycle_length=HUGE, block_length=1),
        lambda d: d.interleave(_inner, cycle_length=1, block_length=HUGE),
    ],
    ids=["shuffle", "batch", "padded batch", "cycle", "block"],
)
def test_a_dataset_with_a_huge_buffer_is_refused(change: Callable[[Any], Any]) -> None:
    with pytest.raises(FedjobsError, match=f"is {HUGE}"):
        verify(_over_numbers(change))


def test_a_dataset_with_a_batch_size_from_data_is_refused() -> None:
    def change(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return _total(dataset.batch(tf.cast(dataset.reduce(0.0, lambda a, b: a + b), tf.int64)))

    with pytest.raises(FedjobsError, match="batch_size is not a constant"):
        verify(_over_numbers(change))


def test_a_chain_of_datasets_that_start_threads_is_bounded() -> None:
    def chain(length: int) -> bytes:
        def change(dataset: tf.data.Dataset) -> tf.data.Dataset:
            for _ in range(length):
                dataset = dataset.prefetch(1)
            return dataset

        return _over_numbers(change)

    verify(chain(10))
    with pytest.raises(FedjobsError, match="start threads"):
        verify(chain(limits.PARALLEL_DATASETS + 1))


def test_nested_loops_over_many_variables_are_bounded() -> None:
    def nested(depth: int) -> bytes:
        def level(left: int, values: list[tf.Tensor]) -> list[tf.Tensor]:
            if not left:
                return [value + 1 for value in values]
            for _ in range(8):
                values = list(tf.while_loop(lambda *x: x[0] < 3, lambda *x: level(left - 1, list(x)), values))
            return values

        return shard([], [], lambda: [level(depth, [tf.constant(float(i)) for i in range(60)])[0]])

    verify(nested(1))
    with pytest.raises(FedjobsError, match="expand"):
        verify(nested(3))


def _without_name(op: str) -> Callable[[GraphDef], None]:
    def change(graph: GraphDef) -> None:
        for body in bodies(graph):
            for node in body:
                if node.op == op:
                    node.attr["shared_name"].s = b""

    return change


def _variable() -> list[tf.Tensor]:
    handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="v")
    with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(4711.0))]):
        return [tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)]


def test_a_variable_of_the_whole_process_is_refused() -> None:
    planned = shard([], [], _variable)
    assert "VarHandleOp" in verify(planned).operations
    with pytest.raises(FedjobsError, match="no name"):
        verify(forged(planned, _without_name("VarHandleOp")))


@pytest.mark.parametrize("within_function", [False, True])
def test_a_table_is_not_found_by_another_shard_of_the_same_process(within_function: bool) -> None:
    def size_after(rows: int) -> tf.Tensor:
        table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32, use_node_name_sharing=True)
        keys = tf.range(rows, dtype=tf.int64)
        added = tf.raw_ops.LookupTableInsertV2(table_handle=table, keys=keys, values=tf.zeros([rows]))
        with tf.control_dependencies([added]):
            return tf.cast(tf.raw_ops.LookupTableSizeV2(table_handle=table), tf.float32)

    def planned(rows: int) -> bytes:
        traced = tf.function(lambda: size_after(rows), autograph=False) if within_function else lambda: size_after(rows)
        honest = shard([], [], lambda: [traced()])
        return verify(forged(honest, _without_name("MutableHashTableV2"))).serialized

    assert float(LoadedShard(planned(3)).run([], [[]])[0]) == 3
    assert float(LoadedShard(planned(0)).run([], [[]])[0]) == 0


@pytest.mark.parametrize("index", ["4294967295", "2147483648", "18446744073709551615", "00", "0", "-1", "1.5"])
def test_an_output_that_tensorflow_would_not_check_is_refused(index: str) -> None:
    """A silo allows GuaranteeConst here, whose outputs the verifier does not know."""
    planned = shard([], [], lambda: [tf.raw_ops.GuaranteeConst(input=tf.constant(1.0)) + 1])
    graph = GraphDef.FromString(shard_pb2.Shard.FromString(planned).work.segments[0].graph_def)
    [name] = [node.name for node in graph.node if node.op == "GuaranteeConst"]

    def change(changed: GraphDef) -> None:
        for node in changed.node:
            node.input[:] = [f"{each}:{index}" if each == name else each for each in node.input]

    verify(planned, ["GuaranteeConst"])
    with pytest.raises(FedjobsError, match="no tensor before it"):
        verify(forged(planned, change), ["GuaranteeConst"])


def test_the_number_of_branches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES", 40)
    branches = [lambda: tf.constant(1.0)] * 41
    with pytest.raises(FedjobsError, match="it has 41 entries"):
        verify(shard([], [tensor("int32")], lambda i: [tf.switch_case(i, branches)]))


def test_values_that_contain_themselves_many_times_are_compared_quickly() -> None:
    def nested(values: int) -> tf.Tensor:
        value = tf.constant(1.0)
        for _ in range(values):
            value = tf.raw_ops.OptionalFromValue(components=[value, value])
        return value

    def work() -> list[tf.Tensor]:
        either = tf.cond(tf.constant(True), lambda: nested(200), lambda: nested(200))
        return [tf.cast(tf.raw_ops.OptionalHasValue(optional=either), tf.float32)]

    verify(shard([], [], work))


def test_a_function_that_is_called_with_many_kinds_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    has_value = tf.function(lambda v: tf.raw_ops.OptionalHasValue(optional=v), autograph=False)

    def called(times: int) -> bytes:
        def work() -> list[tf.Tensor]:
            total, value = tf.constant(0.0), tf.constant(1.0)
            for _ in range(times):
                value = tf.raw_ops.OptionalFromValue(components=[value])
                total += tf.cast(has_value(value), tf.float32)
            return [total]

        return shard([], [], work)

    monkeypatch.setattr(limits, "FOLLOWED", 300)
    verify(called(10))
    with pytest.raises(FedjobsError, match="called in too many ways"):
        verify(called(100))
