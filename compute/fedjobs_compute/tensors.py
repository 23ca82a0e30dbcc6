"""Between leaves as they travel (numpy arrays, sequences of them) and TensorFlow's values."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from fedjobs_protocol.transfers.values import SequenceValue

Leaf: TypeAlias = npt.NDArray[Any] | SequenceValue


def to_tensor(leaf: Leaf) -> Any:
    """A tensor, or a dataset of the elements' components as a tuple (one component: bare)."""
    if isinstance(leaf, SequenceValue):
        return _to_dataset(leaf)
    return tf.convert_to_tensor(leaf)


def to_array(value: Any) -> Leaf:
    """The inverse of `to_tensor`; a dataset is read to its end."""
    if isinstance(value, tf.data.Dataset):
        return SequenceValue(None, tuple(tuple(map(array_of, tf.nest.flatten(e))) for e in value))
    return array_of(value)


def array_of(tensor: tf.Tensor) -> npt.NDArray[Any]:
    """The array of one tensor; strings are objects, because numpy's own drop the zero bytes at their end."""
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
