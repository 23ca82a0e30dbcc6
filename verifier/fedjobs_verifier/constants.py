"""Constants and shapes: plain data whose size is that of their shape and data type."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits
from fedjobs_verifier.dtypes import BOOL, NAMES, NUMBERS, PLAIN, STRING, Plain
from fedjobs_verifier.refusals import Refusal, shown

_PLAIN_DATA = "Use constants of numbers, truth values or strings."
_WHOLE = "Write the constant with as many elements as its shape has."
_CANONICAL = "List equal elements once, and write others as bytes. Plan the computation with this release of fedjobs."
_INTEGERS = frozenset({NUMBERS["int32"], NUMBERS["int64"]})
_FLOATS = {NUMBERS["float32"]: "<f", NUMBERS["float64"]: "<d", NUMBERS["complex64"]: "<f", NUMBERS["complex128"]: "<d"}
_VALUES = frozenset(plain.values for plain in PLAIN.values())


class Budget:
    """What the constants of a shard may still take."""

    def __init__(self) -> None:
        self._left = limits.CONSTANT_BYTES

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Refusal(
                f"the constants of the shard take more than {limits.CONSTANT_BYTES} bytes",
                "Pass large values as arguments of the computation.",
            )


def rebuild_tensor(source: pb.Tensor, target: pb.Tensor, budget: Budget) -> None:
    """Copies a constant of plain data whose elements are exactly those of its shape, in the one canonical form.

    Elements that are all equal are listed once. Others are written as bytes, and strings are listed. A number that is
    not a number (NaN) is always written as bytes, because not every reader keeps its bits.
    """
    plain = PLAIN.get(source.dtype)
    if plain is None:
        raise Refusal(f"a constant has the data type {NAMES.get(source.dtype, source.dtype)}", _PLAIN_DATA)
    target.dtype = source.dtype
    count = _rebuild_size(source.tensor_shape, target.tensor_shape)
    budget.take(count * plain.size)
    listed = [name for name in _VALUES if getattr(source, name)]
    if source.tensor_content:
        _check_content(source, plain, count, listed)
        target.tensor_content = source.tensor_content
        return
    if listed not in ([], [plain.values]):
        raise Refusal(f"a constant of {NAMES[source.dtype]} has its elements in {', '.join(sorted(listed))}", _WHOLE)
    values = list(getattr(source, plain.values))
    if len(values) > count * plain.parts or len(values) % plain.parts:
        raise Refusal(f"a constant lists {len(values)} values and has {count} elements", _WHOLE)
    if plain.bounds and values and not plain.bounds[0] <= min(values) <= max(values) <= plain.bounds[1]:
        raise Refusal(f"a constant has a value that is not one of {NAMES[source.dtype]}", _PLAIN_DATA)
    if source.dtype == STRING and values:
        # The last string stands for all that are not listed.
        budget.take(sum(map(len, values)) + (count - len(values)) * len(values[-1]))
    _check_listed(source.dtype, plain, values, count)
    getattr(target, plain.values).extend(values)


def _check_listed(dtype: int, plain: Plain, values: Sequence[Any], count: int) -> None:
    """Checks that a list is the canonical form of a constant."""
    entries = len(values) // plain.parts
    if dtype == STRING and entries == count > 1 and any(value != values[0] for value in values):
        return
    if entries != min(count, 1) or any(isinstance(value, float) and math.isnan(value) for value in values):
        raise Refusal(f"a constant lists {entries} of {count} elements", _CANONICAL)


def elements_of(tensor: pb.Tensor, most: int) -> list[Any]:
    """Returns the first elements of a verified constant, at most this many."""
    plain = PLAIN[tensor.dtype]
    count = min(math.prod(dimension.size for dimension in tensor.tensor_shape.dim), most)
    if tensor.tensor_content:
        parts = list(struct.unpack_from(f"<{count * plain.parts}{plain.letter}", tensor.tensor_content))
    else:
        parts = list(getattr(tensor, plain.values))
    if plain.parts == 2:
        parts = [complex(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    elif tensor.dtype in _HALVES:
        parts = [_HALVES[tensor.dtype](number) for number in parts]
    return parts[:count] if len(parts) > 1 else parts * count


def _float16(bits: int) -> float:
    (number,) = struct.unpack("<e", struct.pack("<H", bits))
    return float(number)


def _bfloat16(bits: int) -> float:
    (number,) = struct.unpack("<f", struct.pack("<I", bits << 16))
    return float(number)


_HALVES = {NUMBERS["float16"]: _float16, NUMBERS["bfloat16"]: _bfloat16}


def integers_of(tensor: pb.Tensor, most: int) -> tuple[int, ...] | None:
    """Returns the elements of a verified constant. None if it is none of int32 or int64, or has more than `most`."""
    count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
    return tuple(elements_of(tensor, most)) if tensor.dtype in _INTEGERS and count <= most else None


def _rebuild_size(source: pb.Shape, target: pb.Shape) -> int:
    """Copies the shape of a constant. Returns the number of its elements."""
    target.SetInParent()
    _check_rank(source)
    sizes = [dimension.size for dimension in source.dim]
    if source.unknown_rank or any(not 0 <= size <= limits.ELEMENTS for size in sizes):
        raise Refusal(f"a constant has the shape {shown(sizes)}", _WHOLE)
    for size in sizes:
        target.dim.add(size=size)
    return math.prod(sizes)


def _check_rank(shape: pb.Shape) -> None:
    if len(shape.dim) > limits.RANK:
        raise Refusal(f"a shape has {len(shape.dim)} dimensions", f"Use at most {limits.RANK}.")


def _check_content(source: pb.Tensor, plain: Plain, count: int, listed: list[str]) -> None:
    """Checks that bytes are the canonical form of a constant."""
    content = source.tensor_content
    if source.dtype == STRING:
        raise Refusal("a constant of strings has them as bytes", "Write strings in string_val.")
    if listed or len(content) != count * plain.size:
        raise Refusal(f"a constant has {len(content)} bytes, and its shape needs {count * plain.size}", _WHOLE)
    if source.dtype == BOOL and not set(content) <= {0, 1}:
        raise Refusal("a constant of truth values has values other than 0 and 1", _PLAIN_DATA)
    first = content[: plain.size]
    if content == first * count and not _is_nan(source.dtype, first):
        raise Refusal(f"a constant has {count} equal elements as bytes", _CANONICAL)


def _is_nan(dtype: int, element: bytes) -> bool:
    """Returns whether an element that is listed as one or two floats is not a number."""
    kind = _FLOATS.get(dtype)
    return kind is not None and any(math.isnan(number) for (number,) in struct.iter_unpack(kind, element))


def rebuild_shape(source: pb.Shape, target: pb.Shape) -> None:
    """Copies a shape. A dimension of -1 is unknown."""
    target.SetInParent()
    if source.unknown_rank:
        if source.dim:
            raise Refusal("a shape without rank has dimensions", "Write a shape with its dimensions, or without.")
        target.unknown_rank = True
        return
    _check_rank(source)
    sizes = [dimension.size for dimension in source.dim]
    if any(not -1 <= size <= limits.ELEMENTS for size in sizes):
        raise Refusal(f"a shape is {shown(sizes)}", f"Use at most {limits.RANK} dimensions of -1 or more.")
    if math.prod(max(size, 1) for size in sizes) > limits.ELEMENTS:
        raise Refusal(f"a shape of {shown(sizes)} has too many elements", f"Use at most {limits.ELEMENTS} elements.")
    for size in sizes:
        target.dim.add(size=size)
