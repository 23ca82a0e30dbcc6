"""Converts leaves of framed values to TensorFlow's tensors and datasets, without copies where possible."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from fedjobs_protocol.transfers.values import Array, Leaf, SequenceValue, unframe
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels.shared_memory import ALIGNMENT

_WORTH_IT = 64 * 1024  # bytes; copying smaller arrays is faster than sharing them

_OPTIONS = tf.data.Options()
# A pass over the examples of one client is too short for autotuning: it takes 3 ms without it, and 9 ms with it.
# Without the default optimizations, exactly the pipeline that the silo approved runs.
_OPTIONS.autotune.enabled = False
_OPTIONS.experimental_optimization.apply_default_optimizations = False

Tensors = Callable[[Array], Any]
"""Converts an array to a tensor."""


class MappedValues:
    """Framed values in mapped memory. The tensors that share the memory keep it alive."""

    def __init__(self, memory: mmap.mmap | bytearray) -> None:
        self._memory = memory
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        self._start = int(self._bytes.ctypes.data)

    def leaves(self, offset: int = 0, size: int | None = None) -> list[Leaf]:
        """Returns the leaves of the framed value at an offset, as views."""
        end = len(self._memory) if size is None else offset + size
        return unframe(memoryview(self._memory)[offset:end])

    def array(self, offset: int, size: int, dtype: str) -> Array:
        """Returns the numbers at an offset, as a view."""
        return self._bytes[offset : offset + size].view(dtype)

    def tensor(self, array: Array) -> Any:
        """Converts an array to a tensor. A large, aligned view of the memory is shared, other arrays are copied.

        The mapping is private: even an operation that writes in place does not change the memory of other processes.
        """
        address = int(array.__array_interface__["data"][0])
        inside = self._start <= address and address + array.nbytes <= self._start + self._bytes.nbytes
        shared = array.nbytes >= _WORTH_IT and inside and address % ALIGNMENT == 0
        if not (shared and array.dtype.kind in "iuf" and array.flags.c_contiguous):
            return tf.convert_to_tensor(array)
        # NumPy does not export read-only arrays, so this is a view of the same memory in the writable mapping.
        position = address - self._start
        writable = self._bytes[position : position + array.nbytes].view(array.dtype).reshape(array.shape)
        return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())


def of_leaf(leaf: Leaf, type_: shard_pb2.Leaf, tensor: Tensors) -> Any:
    """Converts a leaf to a tensor or a dataset."""
    if isinstance(leaf, SequenceValue):
        return of_sequence(leaf, type_.sequence, tensor)
    return tensor(leaf)


def of_examples(arrays: Sequence[Array], tensor: Tensors) -> tf.data.Dataset:
    """Returns a dataset of the rows of arrays. An element is a tuple of components, or the only component."""
    tensors = tuple(tensor(array) for array in arrays)
    return tf.data.Dataset.from_tensor_slices(tensors if len(tensors) != 1 else tensors[0]).with_options(_OPTIONS)


def of_sequence(sequence: SequenceValue, type_: shard_pb2.Sequence, tensor: Tensors) -> tf.data.Dataset:
    """Returns a dataset of the elements in order.

    Consecutive elements of equal shape become one dataset, and these datasets are concatenated. For example, batches
    with a smaller last batch become two datasets.
    """
    if sequence.components is not None:
        return of_examples(sequence.components, tensor)
    parts = [of_examples(arrays, tensor) for arrays in _stacked(sequence.elements or ())]
    if not parts:
        return of_examples([_no_rows(component.tensor) for component in type_.components], tensor)
    dataset = parts[0]
    for part in parts[1:]:
        dataset = dataset.concatenate(part)
    return dataset


def _stacked(elements: Sequence[tuple[Array, ...]]) -> Iterator[list[Array]]:
    for _, run in itertools.groupby(elements, key=lambda element: [component.shape for component in element]):
        yield [np.stack(components) for components in zip(*run, strict=True)]


def _no_rows(type_: shard_pb2.Tensor) -> Array:
    return np.empty([0, *(max(0, size) for size in type_.shape)], dtype=tf.dtypes.as_dtype(type_.dtype).as_numpy_dtype)
