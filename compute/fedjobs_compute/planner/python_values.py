"""Converts between the Python values of TFF computations and flat lists of leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import SequenceValue
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.types import type_conversions

from fedjobs_compute.planner.leaves import components_of
from fedjobs_compute.planner.programs import unplaced_member
from fedjobs_compute.tensors import array_of

Array: TypeAlias = npt.NDArray[Any]
Leaf: TypeAlias = Array | SequenceValue


class ValueTypeError(FedjobsError, TypeError):
    """A value does not have the type of its parameter. It is a TypeError, as in TFF."""


def to_leaves(value: Any, type_: tff.Type) -> list[Leaf]:
    """Converts a value of an unplaced type to its leaves.

    Raises:
        ValueTypeError: PROGRAM_FAILED if the value does not have the type.
    """
    try:
        return _to_leaves(value, unplaced_member(type_))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueTypeError(
            ErrorCode.PROGRAM_FAILED,
            f"the argument {_shortened(value)} is not a value of type {type_.compact_representation()}: {error}.",
            "Pass a value of the computation's parameter type.",
        ) from error


def from_leaves(leaves: Sequence[Leaf], type_: tff.Type) -> Any:
    """Converts leaves to a Python value in the type's containers. The inverse of `to_leaves`."""
    iterator = iter(leaves)
    bare = _from_leaves(iterator, unplaced_member(type_))
    return type_conversions.type_to_py_container(bare, type_)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def parts(value: Any, type_: tff.StructType) -> list[Any]:
    """Returns the elements of a value of a struct type, in the type's order.

    Raises:
        ValueError: The value has other elements than the type.
    """
    names = [name for name, _ in structure.iter_elements(type_)]
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ValueError(f"has the keys {sorted(map(str, value))}, not {names}")
        return [value[name] for name in names]
    if attrs.has(type(value)):
        return [getattr(value, str(name)) for name in names]
    elements = [e for _, e in structure.iter_elements(value)] if isinstance(value, structure.Struct) else list(value)
    if len(elements) != len(names):
        raise ValueError(f"has {len(elements)} elements, not {len(names)}")
    return elements


def _to_leaves(value: Any, type_: tff.Type) -> list[Leaf]:
    if isinstance(type_, tff.TensorType):
        return [_to_array(value, type_)]
    if isinstance(type_, tff.SequenceType):
        return [_to_sequence(value, type_.element)]
    elements = [e for _, e in structure.iter_elements(type_)]
    return [leaf for part, e in zip(parts(value, type_), elements, strict=True) for leaf in _to_leaves(part, e)]


def _to_array(value: Any, type_: tff.TensorType) -> Array:
    is_string = type_.dtype.type is np.str_
    if tf.is_tensor(value):
        value = value.numpy()
    if is_string:
        array = np.asarray(value, dtype=object)
        encoded = [_encoded(x) for x in array.ravel()]
        result = np.empty(array.shape, dtype=object)
        result.ravel()[:] = encoded
        return _checked(result, type_)
    array = np.asanyarray(value)  # keeps memory-mapped arrays
    return _checked(array if array.dtype == type_.dtype else _cast(array, type_.dtype), type_)


def _encoded(item: object) -> bytes:
    if isinstance(item, str | bytes):
        return item.encode() if isinstance(item, str) else bytes(item)
    raise TypeError(f"has an element of type {type(item).__name__}")  # bytes(5) would return five zero bytes


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    """Casts an array to another dtype of the same kind. A Python float can become any float dtype, also bfloat16."""
    any_float = not array.ndim and array.dtype.kind == "f" and dtype.kind not in "biu"
    if not np.can_cast(array.dtype, dtype, "unsafe" if any_float else "same_kind"):
        raise TypeError(f"has dtype {array.dtype}")
    result = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(result, array):
        raise ValueError(f"has a number that is too large for {dtype}")  # numpy would wrap around
    return result


def _checked(array: Array, type_: tff.TensorType) -> Array:
    expected = type_.shape
    if expected is not None and (
        len(expected) != array.ndim or any(e not in (None, a) for e, a in zip(expected, array.shape, strict=True))
    ):
        raise ValueError(f"has shape {array.shape}")
    return array


def _to_sequence(value: Any, element: tff.Type) -> SequenceValue:
    if isinstance(value, SequenceValue):
        return value
    if isinstance(value, tf.data.Dataset):
        found = tff.types.tensorflow_to_type(value.element_spec)
        if not _fits(found, element):
            raise TypeError(f"it is a dataset with elements of type {found.compact_representation()}")
        rows = [tuple(map(array_of, tf.nest.flatten(row))) for row in value]
    else:
        rows = [tuple(_components(row, element)) for row in value]
    if not rows and (none := tuple(_no_elements(tensor) for _, tensor in components_of(element, ""))):
        return SequenceValue(none, None)  # arrays without rows, which have the type
    if all(len({a.shape for a in column}) == 1 for column in zip(*rows, strict=True)):
        return SequenceValue(tuple(np.stack(column) for column in zip(*rows, strict=True)), None)
    return SequenceValue(None, tuple(rows))


def _no_elements(type_: tff.TensorType) -> Array:
    dtype = object if type_.dtype.type is np.str_ else type_.dtype
    return np.zeros([0, *(size or 0 for size in type_.shape or ())], dtype)


def _fits(found: tff.Type, element: tff.Type) -> bool:
    """Returns whether elements of a dataset have a type. Components are found by name, in any order."""
    if isinstance(found, tff.TensorType) and isinstance(element, tff.TensorType):
        return bool(found.dtype == element.dtype and tf.TensorShape(element.shape).is_compatible_with(found.shape))
    if not (isinstance(found, tff.StructType) and isinstance(element, tff.StructType)) or len(found) != len(element):
        return False
    names = [name for name, _ in structure.iter_elements(found)]
    if None in names:  # a tuple
        return all(_fits(found[i], element[i]) for i in range(len(element)))
    wanted = dict(structure.iter_elements(element))
    return set(names) == set(wanted) and all(_fits(part, wanted[name]) for name, part in structure.iter_elements(found))


def _components(row: Any, type_: tff.Type) -> list[Array]:
    """Returns the components of an element in the order of tf.data, see `leaves`."""
    if isinstance(type_, tff.TensorType):
        return [_to_array(row, type_)]
    named = list(zip(structure.iter_elements(type_), parts(row, type_), strict=True))
    if any(name is not None for (name, _), _ in named):
        named.sort(key=lambda pair: pair[0][0])
    return [array for (_, e), part in named for array in _components(part, e)]


def _from_leaves(leaves: Any, type_: tff.Type) -> Any:
    if isinstance(type_, tff.TensorType):
        array = next(leaves)
        return array[()] if array.ndim == 0 else array
    if isinstance(type_, tff.SequenceType):
        return next(leaves)
    elements = structure.iter_elements(type_)
    return structure.Struct([(name, _from_leaves(leaves, e)) for name, e in elements])
