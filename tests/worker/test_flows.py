"""Which outputs can hold single records, for graphs whose right answer is known by construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import verify_for_some_silo
from fedjobs_worker.consent.graphs.flows import Holds, OutputFlow, flows_of

from tests.worker.shard_builders import program, sequence, shard, tensor

EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))
Work = Callable[..., Any]


def flow(work: Work, *shape: int, dtype: str = "float32") -> OutputFlow:
    """Returns what is found about a sum over the clients of what `work` computes of the examples and a weight."""
    weight = tensor("float32", 2)
    serialized = shard([weight], [EXAMPLES], lambda weight, dataset: [work(dataset, weight)], tensor(dtype, *shape))
    (found,) = flows_of(verify_for_some_silo(serialized).message)
    return found


def rows(dataset: tf.data.Dataset, size: int = 4) -> tf.data.Dataset:
    """Batches of exactly this many records."""
    return dataset.map(lambda x, _: x).batch(size, drop_remainder=True)


def total(dataset: tf.data.Dataset, part: Work, *shape: int) -> Any:
    """Sums up a part of each element."""
    return dataset.reduce(tf.zeros(shape), lambda total, element: total + _part(part, element))


def last(dataset: tf.data.Dataset, part: Work, *shape: int) -> Any:
    """The part of the last element."""
    return dataset.reduce(tf.zeros(shape), lambda _, element: _part(part, element))


def _part(part: Work, element: Any) -> Any:
    return part(*element) if isinstance(element, tuple) else part(element)


def copied_by_counting(dataset: tf.data.Dataset) -> Any:
    """Counts up to the value of a record."""
    value = last(dataset, lambda x, _: x[0])
    return tf.while_loop(lambda i: i < value, lambda i: [i + 1.0], [0.0])[0]


def copied_by_bits(dataset: tf.data.Dataset) -> Any:
    value = last(dataset, lambda x, _: x[0])
    return tf.cond(value > 3.0, lambda: 1.0, lambda: 0.0)


def copied_by_a_variable(dataset: tf.data.Dataset) -> Any:
    variable = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="r0")
    value = last(dataset, lambda x, _: x, 2)
    with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=variable, value=value)]):
        return tf.raw_ops.ReadVariableOp(resource=variable, dtype=tf.float32)


def copied_by_a_table(dataset: tf.data.Dataset) -> Any:
    table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32, shared_name="r1")
    value = last(dataset, lambda x, _: x[:1], 1)
    put = tf.raw_ops.LookupTableInsertV2(table_handle=table, keys=tf.constant([1], tf.int64), values=value)
    with tf.control_dependencies([put]):
        found = tf.raw_ops.LookupTableFindV2(
            table_handle=table, keys=tf.constant([1], tf.int64), default_value=tf.constant(0.0)
        )
    return tf.reshape(found, [1])


def copied_by_an_iterator(dataset: tf.data.Dataset) -> Any:
    iterator = tf.raw_ops.AnonymousIteratorV3(output_types=[tf.float32, tf.int32], output_shapes=[[2], []])
    make = tf.raw_ops.MakeIterator(dataset=dataset._variant_tensor, iterator=iterator)
    with tf.control_dependencies([make]):
        return tf.raw_ops.IteratorGetNext(
            iterator=iterator, output_types=[tf.float32, tf.int32], output_shapes=[[2], []]
        )[0]


def shifted_through_a_loop(dataset: tf.data.Dataset) -> Any:
    """Hands a record through the variables of a loop, one in each step."""
    value = last(dataset, lambda x, _: x[0])
    start = [tf.constant(0), value, *[tf.constant(0.0)] * 20]
    return tf.while_loop(lambda i, *_: i < 30, lambda i, *v: [i + 1, v[0], *v[:-1]], start)[-1]


AGGREGATED: dict[str, tuple[Work, tuple[int, ...]]] = {
    "sum of all values": (lambda d, _: total(d, lambda x, _: tf.reduce_sum(x)), ()),
    "sum of records": (lambda d, _: total(d, lambda x, _: x, 2), (2,)),
    "sum of batches": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x, 0), 2), (2,)),
    "sum of batches, from the end": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x, -2), 2), (2,)),
    "sum of everything": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x)), ()),
    "mean of batches": (lambda d, _: total(rows(d), lambda x: tf.reduce_mean(x, 0), 2), (2,)),
    "sum of one column": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x[:, 0], 0)), ()),
    "sum of selected values": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(tf.where(x > 1.0, x, 0.0))), ()),
    "product of matrices": (lambda d, _: total(rows(d), lambda x: tf.matmul(x, x, transpose_a=True), 2, 2), (2, 2)),
    "sum of products": (lambda d, w: total(rows(d), lambda x: tf.reduce_sum(tf.linalg.matvec(x, w))), ()),
    "einsum over records": (lambda d, w: total(rows(d), lambda x: tf.einsum("bi,i->", x, w)), ()),
    "number of records": (lambda d, _: total(rows(d), lambda x: tf.cast(tf.size(x), tf.float32)), ()),
    "sum of squares": (lambda d, _: total(d, lambda x, _: tf.nn.l2_loss(x)), ()),
    "sum of a transposed batch": (
        lambda d, _: total(rows(d), lambda x: tf.reduce_sum(tf.transpose(x, [1, 0]), 1), 2),
        (2,),
    ),
}
RAW: dict[str, tuple[Work, tuple[int, ...]]] = {
    "the last record": (lambda d, _: last(d, lambda x, _: x, 2), (2,)),
    "a batch": (lambda d, _: last(rows(d), lambda x: x, 4, 2), (4, 2)),
    "batches, added": (lambda d, _: total(rows(d), lambda x: x, 4, 2), (4, 2)),
    "one record of a batch": (lambda d, _: total(rows(d), lambda x: x[3], 2), (2,)),
    "every second record": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x[::2], 0), 2), (2,)),
    "records from a place on": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x[3:], 0), 2), (2,)),
    "one gathered record": (lambda d, _: total(rows(d), lambda x: tf.gather(x, 3), 2), (2,)),
    "the only record that is taken": (lambda d, _: total(d.take(1), lambda x, _: x, 2), (2,)),
    "the record after others": (lambda d, _: total(d.skip(7), lambda x, _: x, 2), (2,)),
    "the sum of batches of one record": (lambda d, _: last(rows(d, 1), lambda x: tf.reduce_sum(x, 0), 2), (2,)),
    "the largest value": (lambda d, _: total(rows(d), lambda x: tf.reduce_max(x, 0), 2), (2,)),
    "sums over columns": (lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x, 1), 4), (4,)),
    "a product with weights": (lambda d, _: total(rows(d), lambda x: tf.matmul(x, tf.eye(2)), 4, 2), (4, 2)),
    "records of a batch in one row": (
        lambda d, _: total(rows(d), lambda x: tf.reduce_sum(tf.reshape(x, [-1, 8]), 0), 8),
        (8,),
    ),
    "sums over a dimension of weights that a sum kept": (
        lambda d, w: total(
            rows(d), lambda x: tf.reduce_sum(x[:, 0] + tf.reduce_sum(tf.reshape(w, [2, 1]), 1, keepdims=True), 0), 4
        ),
        (4,),
    ),
    "sums over an added dimension": (
        lambda d, _: total(rows(d), lambda x: tf.reduce_sum(tf.expand_dims(x, 0), 0), 4, 2),
        (4, 2),
    ),
    "sums by row number": (
        lambda d, _: total(rows(d), lambda x: tf.math.unsorted_segment_sum(x, tf.range(4), 4), 4, 2),
        (4, 2),
    ),
    "sums of an outer product": (
        lambda d, _: total(rows(d), lambda x: tf.reduce_sum(x[:, None, :] * tf.eye(4)[:, :, None], 0), 4, 2),
        (4, 2),
    ),
    "the sorted values": (lambda d, _: total(rows(d), lambda x: tf.nn.top_k(x[:, 0], 3).values, 3), (3,)),
    "a list of tensors": (
        lambda d, _: total(rows(d), lambda x: tf.raw_ops.TensorListStack(
            input_handle=tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=[2]), element_shape=[2],
            element_dtype=tf.float32), 4, 2),
        (4, 2),
    ),
    "counting up to a value": (lambda d, _: copied_by_counting(d), ()),
    "a bit of a value": (lambda d, _: copied_by_bits(d), ()),
    "a variable": (lambda d, _: copied_by_a_variable(d), (2,)),
    "a table": (lambda d, _: copied_by_a_table(d), (1,)),
    "an iterator": (lambda d, _: copied_by_an_iterator(d), (2,)),
    "a long way through a loop": (lambda d, _: shifted_through_a_loop(d), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", AGGREGATED)
def test_a_sum_over_records_gets_no_warning(case: str) -> None:
    work, shape = AGGREGATED[case]
    found = flow(work, *shape)
    assert (found.holds, found.added_over_clients, found.warnings) == (Holds.SUMS, True, ())
    assert "x of client input value 0" in found.sources or case == "number of records"
    assert "number of records" in found.sources
    assert not any("y of" in source for source in found.sources)


@pytest.mark.parametrize("case", RAW)
def test_a_copy_of_records_gets_a_warning(case: str) -> None:
    work, shape = RAW[case]
    found = flow(work, *shape)
    assert found.holds is Holds.RECORDS
    assert "single records" in found.warnings[0]


def test_what_depends_on_no_data_gets_no_warning() -> None:
    found = flow(lambda _, weight: weight * 2.0, 2)
    assert (found.holds, found.sources, found.warnings) == (Holds.NOTHING, ("broadcast value 0",), ())


def test_sums_by_a_column_are_sums_by_group() -> None:
    def by_label(dataset: tf.data.Dataset, _: tf.Tensor) -> tf.Tensor:
        batches = dataset.batch(4)
        return total(batches, lambda x, y: tf.math.unsorted_segment_sum(x, y, 10), 10, 2)

    found = flow(by_label, 10, 2)
    assert found.holds is Holds.GROUPS
    assert "A group can have a single record" in found.warnings[0]


def test_sources_are_those_that_can_influence_the_output() -> None:
    def weighted(dataset: tf.data.Dataset, weight: tf.Tensor) -> tf.Tensor:
        return total(dataset, lambda x, _: x * weight, 2)

    sources = {"broadcast value 0", "x of client input value 0", "number of records"}
    assert set(flow(weighted, 2).sources) == sources


def test_a_mask_before_a_sum_is_not_found() -> None:
    """The documentation says so. A test that fails here is a reason to change it."""

    def first_of_each_batch(dataset: tf.data.Dataset, _: tf.Tensor) -> tf.Tensor:
        mask = tf.constant([[1.0], [0.0], [0.0], [0.0]])
        return total(rows(dataset), lambda x: tf.reduce_sum(x * mask, 0), 2)

    assert flow(first_of_each_batch, 2).warnings == ()


def _accumulated(accumulate: Work, leaf: shard_pb2.Leaf) -> OutputFlow:
    work = program([EXAMPLES], lambda dataset: [total(dataset, lambda x, _: x, 2)])
    message = shard_pb2.Shard(
        format=1,
        client_inputs=[EXAMPLES],
        accumulators=[leaf],
        zero=program([], lambda: [tf.zeros([2])]),
        work=work,
        accumulate=program([leaf, tensor("float32", 2)], lambda total, result: [accumulate(total, result)]),
    )
    serialized = message.SerializeToString(deterministic=True)
    (found,) = flows_of(verify_for_some_silo(serialized).message)
    return found


@pytest.mark.parametrize(
    ("accumulate", "shape", "said"),
    [
        (lambda _, result: result, [2], ["not added"]),
        (tf.maximum, [2], ["not added"]),
        (lambda total, result: tf.concat([total, result], 0), [-1], ["not added", "Its size is not fixed"]),
        (lambda total, result: total + result, [2], []),
        (lambda total, result: total + 2.0 * result, [2], []),
    ],
    ids=["replaced", "largest", "joined", "added", "added with a factor"],
)
def test_values_of_clients_that_are_not_added_get_a_warning(
    accumulate: Work, shape: list[int], said: list[str]
) -> None:
    found = _accumulated(accumulate, tensor("float32", *shape))
    assert found.added_over_clients == (not said)
    assert len(found.warnings) == len(said)
    assert all(words in warning for words, warning in zip(said, found.warnings, strict=True))


def test_text_gets_a_warning() -> None:
    def words(dataset: tf.data.Dataset) -> list[Any]:
        return [tf.strings.as_string(total(dataset, lambda x, _: tf.reduce_sum(x)))]

    leaf = tensor("string")
    message = shard_pb2.Shard(
        format=1,
        client_inputs=[EXAMPLES],
        accumulators=[leaf],
        zero=program([], lambda: [tf.constant("")]),
        work=program([EXAMPLES], words),
        accumulate=program([leaf, leaf], lambda *both: [tf.strings.join(both)]),
    )
    (found,) = flows_of(message)
    assert any("It is text" in warning for warning in found.warnings)


def test_a_graph_that_is_too_large_to_analyse_gets_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedjobs_worker.consent.graphs.flows._STEPS", 10)
    found = flow(AGGREGATED["sum of records"][0], 2)
    assert found.holds is Holds.RECORDS
    assert "more than 10 steps" in found.warnings[0]


def test_what_an_earlier_stage_kept_counts_as_a_record_of_the_client() -> None:
    kept = shard_pb2.KeptInput(type=tensor("float32"), shard=bytes(32))
    (found,) = flows_of(verify_for_some_silo(shard([], [], lambda value: [value], kept_inputs=[kept])).message)
    assert (found.holds, found.sources) == (Holds.RECORDS, ("kept value 0",))
    assert any("single records" in warning for warning in found.warnings)


def test_what_a_shard_keeps_does_not_leave_the_silo() -> None:
    serialized = shard(
        [],
        [EXAMPLES],
        lambda dataset: [tf.constant(1.0), last(dataset, lambda x, _: x, 2)],
        kept_outputs=[tensor("float32", 2)],
    )
    (found,) = flows_of(verify_for_some_silo(serialized).message)
    assert found.holds is Holds.NOTHING
