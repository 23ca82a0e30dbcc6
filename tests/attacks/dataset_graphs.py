"""A small graph for each dataset operation of the allow-list, built with TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tests.worker.shard_builders import sequence, shard, tensor

Dataset = Any
_raw = tf.raw_ops
_TYPES = [tf.float32, tf.int32]
_SHAPES = [[2], []]
_BATCHED = [[None, 2], [None]]
_EXPERIMENTAL = tf.data.experimental


def over_examples(change: Callable[[Dataset], Any]) -> bytes:
    """A shard that changes the dataset of a client, and counts what comes out.

    Args:
        change: Takes a dataset of (float32[2], int32). Returns a dataset, a variant that contains one, or a tensor.
    """

    def work(examples: Dataset) -> list[tf.Tensor]:
        result = change(examples)
        if isinstance(result, tf.data.Dataset):
            result = _EXPERIMENTAL.to_variant(result)
        if result.dtype == tf.variant:
            result = _raw.DatasetCardinality(input_dataset=result)
        return [tf.cast(tf.reduce_sum(result), tf.float32)]

    return shard([], [sequence(x=tensor("float32", 2), y=tensor("int32"))], work)


def variant(dataset: Dataset) -> tf.Tensor:
    return _EXPERIMENTAL.to_variant(dataset)


def _passing(operation: str, shapes: list[Any] = _SHAPES, **more: Any) -> Callable[[Dataset], tf.Tensor]:
    def change(dataset: Dataset) -> tf.Tensor:
        given = {name: tf.constant(v, tf.float32 if name == "rate" else tf.int64) for name, v in more.items()}
        if operation in ("ShuffleDatasetV2", "ShuffleDatasetV3", "ShuffleAndRepeatDatasetV2"):
            given["seed_generator"] = _raw.DummySeedGenerator()
        if operation in ("BatchDatasetV2", "ParallelBatchDataset", "WindowDataset"):
            given["drop_remainder"] = tf.constant(False)
        return getattr(_raw, operation)(
            input_dataset=variant(dataset), **given, output_types=_TYPES, output_shapes=shapes
        )

    return change


def _padded(operation: str) -> Callable[[Dataset], tf.Tensor]:
    def change(dataset: Dataset) -> tf.Tensor:
        more = {"drop_remainder": tf.constant(False)} if operation.endswith("V2") else {}
        return getattr(_raw, operation)(
            input_dataset=variant(dataset),
            batch_size=tf.constant(2, tf.int64),
            padded_shapes=[tf.constant([2], tf.int64), tf.constant([], tf.int64)],
            padding_values=[tf.constant(0.0), tf.constant(0)],
            output_shapes=_BATCHED,
            **more,
        )

    return change


def _inner(x: Any, y: Any) -> Dataset:
    return tf.data.Dataset.from_tensors((x, y))


def _iterated(getter: str) -> Callable[[Dataset], tf.Tensor]:
    def change(dataset: Dataset) -> tf.Tensor:
        iterator = _raw.AnonymousIteratorV3(output_types=_TYPES, output_shapes=_SHAPES)
        with tf.control_dependencies([_raw.MakeIterator(dataset=variant(dataset), iterator=iterator)]):
            got = getattr(_raw, getter)(iterator=iterator, output_types=_TYPES, output_shapes=_SHAPES)
        if getter == "IteratorGetNextAsOptional":
            got = _raw.OptionalGetValue(optional=got, output_types=_TYPES, output_shapes=_SHAPES)
        return got[0]

    return change


def _random(operation: str) -> Callable[[Dataset], tf.Tensor]:
    def change(_: Dataset) -> tf.Tensor:
        more = {"seed_generator": _raw.DummySeedGenerator()} if operation.endswith("V2") else {}
        one = tf.constant(1, tf.int64)
        created = getattr(_raw, operation)(seed=one, seed2=one, **more, output_types=[tf.int64], output_shapes=[[]])
        return _raw.TakeDataset(input_dataset=created, count=one, output_types=[tf.int64], output_shapes=[[]])

    return change


def _element(dataset: Dataset) -> tf.Tensor:
    zero = tf.constant(0, tf.int64)
    return _raw.GetElementAtIndex(dataset=variant(dataset), index=zero, output_types=_TYPES, output_shapes=_SHAPES)[0]


def _single(dataset: Dataset) -> tf.Tensor:
    return _raw.DatasetToSingleElement(dataset=variant(dataset), output_types=_TYPES, output_shapes=_SHAPES)[0]


def _optional(dataset: Dataset) -> tf.Tensor:
    value = _raw.OptionalFromValue(components=[tf.constant(1.0), dataset.reduce(0, lambda n, _: n + 1)])
    return _raw.OptionalGetValue(optional=value, output_types=_TYPES, output_shapes=[[], []])[0]


def _function(function: Callable[..., Any], *specs: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=specs, autograph=False).get_concrete_function()


def _grouped(dataset: Dataset) -> tf.Tensor:
    x, y, f, n = tf.TensorSpec([2]), tf.TensorSpec([], tf.int32), tf.TensorSpec([]), tf.TensorSpec([], tf.int64)
    return _raw.GroupByReducerDataset(
        input_dataset=variant(dataset),
        key_func_other_arguments=[],
        init_func_other_arguments=[],
        reduce_func_other_arguments=[],
        finalize_func_other_arguments=[],
        key_func=_function(lambda x, y: tf.cast(y, tf.int64), x, y),
        init_func=_function(lambda key: (0.0, 0), n),
        reduce_func=_function(lambda a, b, x, y: (a + x[0], b + y), f, y, x, y),
        finalize_func=_function(lambda a, b: (a, b), f, y),
        output_types=_TYPES,
        output_shapes=[[], []],
    )


def _directed(dataset: Dataset) -> tf.Tensor:
    return _raw.DirectedInterleaveDataset(
        selector_input_dataset=variant(tf.data.Dataset.range(2)),
        data_input_datasets=[variant(dataset), variant(dataset.take(1))],
        output_types=_TYPES,
        output_shapes=_SHAPES,
    )


def _windows(dataset: Dataset) -> Dataset:
    return dataset.group_by_window(lambda x, y: tf.cast(y, tf.int64), lambda _, window: window.batch(4), window_size=4)


def _sparse(dataset: Dataset) -> Dataset:
    return dataset.map(lambda x, _: x).apply(_EXPERIMENTAL.dense_to_sparse_batch(2, [4]))


def _sparse_slices(_: Dataset) -> tf.Tensor:
    sliced = _raw.SparseTensorSliceDataset(
        indices=tf.constant([[0, 0]], tf.int64), values=tf.constant([1.0]), dense_shape=tf.constant([1, 1], tf.int64)
    )
    types, shapes = [tf.int64, tf.float32, tf.int64], [[None, 1], [None], [1]]
    return _raw.SkipDataset(
        input_dataset=sliced, count=tf.constant(0, tf.int64), output_types=types, output_shapes=shapes
    )


def _parallel_filter(dataset: Dataset) -> tf.Tensor:
    predicate = _function(lambda x, y: y > 0, tf.TensorSpec([2]), tf.TensorSpec([], tf.int32))
    return _raw.ParallelFilterDataset(
        input_dataset=variant(dataset),
        other_arguments=[],
        num_parallel_calls=tf.constant(2, tf.int64),
        predicate=predicate,
        output_types=_TYPES,
        output_shapes=_SHAPES,
    )


GRAPHS: dict[str, Callable[[Dataset], Any]] = {
    "AnonymousIteratorV3": _iterated("IteratorGetNext"),
    "AssertCardinalityDataset": _passing("AssertCardinalityDataset", cardinality=1),
    "BatchDataset": _passing("BatchDataset", _BATCHED, batch_size=2),
    "BatchDatasetV2": _passing("BatchDatasetV2", _BATCHED, batch_size=2),
    "ConcatenateDataset": lambda d: d.concatenate(d.take(1)),
    "DatasetToSingleElement": _single,
    "DenseToSparseBatchDataset": _sparse,
    "DirectedInterleaveDataset": _directed,
    "FilterDataset": lambda d: d.filter(lambda x, y: y > 0),
    "FlatMapDataset": lambda d: d.flat_map(_inner),
    "GetElementAtIndex": _element,
    "GroupByReducerDataset": _grouped,
    "GroupByWindowDataset": _windows,
    "IgnoreErrorsDataset": _passing("IgnoreErrorsDataset"),
    "InterleaveDataset": lambda d: d.interleave(_inner, cycle_length=2, num_parallel_calls=None),
    "IteratorGetNext": _iterated("IteratorGetNext"),
    "IteratorGetNextAsOptional": _iterated("IteratorGetNextAsOptional"),
    "IteratorGetNextSync": _iterated("IteratorGetNextSync"),
    "MapDataset": lambda d: d.map(lambda x, y: (x * 2, y)),
    "OptionalGetValue": _optional,
    "PaddedBatchDataset": _padded("PaddedBatchDataset"),
    "PaddedBatchDatasetV2": _padded("PaddedBatchDatasetV2"),
    "ParallelBatchDataset": _passing("ParallelBatchDataset", _BATCHED, batch_size=2, num_parallel_calls=2),
    "ParallelFilterDataset": _parallel_filter,
    "ParallelInterleaveDatasetV4": lambda d: d.interleave(_inner, cycle_length=2, num_parallel_calls=2),
    "ParallelMapDatasetV2": lambda d: d.map(lambda x, y: (x * 2, y), num_parallel_calls=2),
    "PrefetchDataset": _passing("PrefetchDataset", buffer_size=2),
    "RandomDataset": _random("RandomDataset"),
    "RandomDatasetV2": _random("RandomDatasetV2"),
    "RangeDataset": lambda _: tf.data.Dataset.range(3),
    "ReduceDataset": lambda d: d.reduce((0.0, 0), lambda s, e: (s[0] + e[0][0], s[1] + e[1]))[0],
    "RepeatDataset": _passing("RepeatDataset", count=2),
    "SamplingDataset": _passing("SamplingDataset", rate=1, seed=1, seed2=1),
    "ScanDataset": lambda d: d.scan(0, lambda s, e: (s + e[1], (e[0], s))),
    "ShardDataset": _passing("ShardDataset", num_shards=2, index=0),
    "ShuffleAndRepeatDataset": _passing("ShuffleAndRepeatDataset", buffer_size=2, seed=1, seed2=1, count=1),
    "ShuffleAndRepeatDatasetV2": _passing("ShuffleAndRepeatDatasetV2", buffer_size=2, seed=1, seed2=1, count=1),
    "ShuffleDataset": _passing("ShuffleDataset", buffer_size=2, seed=1, seed2=1),
    "ShuffleDatasetV2": _passing("ShuffleDatasetV2", buffer_size=2),
    "ShuffleDatasetV3": _passing("ShuffleDatasetV3", buffer_size=2, seed=1, seed2=1),
    "SkipDataset": _passing("SkipDataset", count=1),
    "SlidingWindowDataset": _passing("SlidingWindowDataset", _BATCHED, window_size=2, window_shift=1, window_stride=1),
    "SparseTensorSliceDataset": _sparse_slices,
    "TakeDataset": _passing("TakeDataset", count=1),
    "TakeWhileDataset": lambda d: d.take_while(lambda x, y: y > 0),
    "TensorDataset": lambda d: tf.data.Dataset.from_tensors((tf.zeros([2]), d.reduce(0, lambda n, _: n + 1))),
    "TensorSliceDataset": lambda _: tf.data.Dataset.from_tensor_slices((tf.zeros([2]), tf.range(2))),
    "UnbatchDataset": lambda d: d.batch(2).unbatch(),
    "UniqueDataset": lambda d: d.map(lambda _, y: y).unique(),
    "WindowDataset": lambda d: d.window(2).flat_map(lambda x, y: tf.data.Dataset.zip((x.batch(2), y.batch(2)))),
    "ZipDataset": lambda d: tf.data.Dataset.zip((d, d.map(lambda x, _: x))),
}
