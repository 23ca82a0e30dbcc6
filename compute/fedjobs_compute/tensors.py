"""Converts between the leaves of values (numpy arrays and sequences) and TensorFlow tensors and datasets."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from fedjobs_protocol.transfers.values import SequenceValue

Leaf: TypeAlias = npt.NDArray[Any] | SequenceValue


def to_tensor(leaf: Leaf) -> Any:
    """Converts a leaf to a tensor, or to a dataset whose elements are tuples of components, or a single component."""
    if isinstance(leaf, SequenceValue):
        return _to_dataset(leaf)
    return tf.convert_to_tensor(leaf)


def to_array(value: Any) -> Leaf:
    """Converts a tensor or a dataset to a leaf. The inverse of `to_tensor`. It reads the whole dataset."""
    if isinstance(value, tf.data.Dataset):
        return SequenceValue(None, tuple(tuple(map(array_of, tf.nest.flatten(e))) for e in value))
    return array_of(value)


def array_of(tensor: tf.Tensor) -> npt.NDArray[Any]:
    """Returns a tensor as an array. Strings have dtype object, because numpy's strings drop trailing zero bytes."""
    return np.asarray(tensor.numpy(), dtype=object if tensor.dtype == tf.string else None)


def _to_dataset(sequence: SequenceValue) -> tf.data.Dataset:
    if sequence.components is not None:
        arrays = sequence.components
        return tf.data.Dataset.from_tensor_slices(arrays[0] if len(arrays) == 1 else arrays)
    elements = sequence.elements or ()
    if not elements:
        raise ValueError("a sequence without elements and without components has no type")
    rows = [tf.data.Dataset.from_tensors(e[0] if len(e) == 1 else e) for e in elements]
    return tf.data.Dataset.from_tensor_slices(tf.stack([tf.data.experimental.to_variant(r) for r in rows])).flat_map(
        lambda v: tf.data.experimental.from_variant(v, rows[0].element_spec)
    )
