"""Flattens TFF types to lists of leaves: tensors and sequences, in the order of the type."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from tensorflow_federated.python.common_libs import structure


def leaves_of(type_: tff.Type, path: str = "") -> Iterator[shard_pb2.Leaf]:
    """Yields the leaves of an unplaced type, each named by its path.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION for functions and other types that are not data.
    """
    if isinstance(type_, tff.StructType):
        for i, (name, element) in enumerate(structure.iter_elements(type_)):
            yield from leaves_of(element, f"{path}/{name or i}" if path else f"{name or i}")
    elif isinstance(type_, tff.TensorType):
        yield shard_pb2.Leaf(name=path or "value", tensor=_tensor(type_))
    elif isinstance(type_, tff.SequenceType):
        components = [shard_pb2.Component(name=p, tensor=_tensor(t)) for p, t in components_of(type_.element, "")]
        yield shard_pb2.Leaf(name=path or "value", sequence=shard_pb2.Sequence(components=components))
    else:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            f"a value of type {type_.compact_representation()} cannot be sent to a silo.",
            "Use tensors, sequences, and structures of these.",
        )


def count_leaves(type_: tff.Type) -> int:
    """Returns the number of leaves of a type."""
    return sum(1 for _ in leaves_of(type_))


def components_of(type_: tff.Type, path: str) -> Iterator[tuple[str, tff.TensorType]]:
    """Yields the components of an element in the order of tf.data, which sorts dictionaries by their keys."""
    if isinstance(type_, tff.StructType):
        elements = [(name or str(i), e) for i, (name, e) in enumerate(structure.iter_elements(type_))]
        if any(name is not None for name, _ in structure.iter_elements(type_)):
            elements.sort()
        for name, element in elements:
            yield from components_of(element, f"{path}/{name}" if path else name)
    else:
        yield path or "value", type_


def _tensor(type_: tff.TensorType) -> shard_pb2.Tensor:
    if type_.shape is None:
        return shard_pb2.Tensor(dtype=tf_dtype(type_).name, unknown_rank=True)
    return shard_pb2.Tensor(dtype=tf_dtype(type_).name, shape=[-1 if d is None else d for d in type_.shape])


def tf_dtype(type_: tff.TensorType) -> tf.DType:
    """Returns the TensorFlow dtype of a tensor type. TFF represents strings by a numpy dtype."""
    return tf.string if type_.dtype.type is np.str_ else tf.dtypes.as_dtype(type_.dtype)
