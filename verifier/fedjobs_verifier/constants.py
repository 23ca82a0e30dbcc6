"""Constants and shapes: plain data whose size is that of their shape and data type."""

from __future__ import annotations

import math

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier import limits
from fedjobs_verifier.dtypes import NAMES, PLAIN, STRING
from fedjobs_verifier.refusals import Refusal, shown

_PLAIN_DATA = "Use constants of numbers, truth values or strings."
_WHOLE = "Write the constant with as many elements as its shape has."
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
    """Copies a constant of plain data whose elements are exactly those of its shape.

    Elements that are all equal may be listed once, and zeros not at all, as TensorFlow writes them.
    """
    plain = PLAIN.get(source.dtype)
    if plain is None:
        raise Refusal(f"a constant has the data type {NAMES.get(source.dtype, source.dtype)}", _PLAIN_DATA)
    target.dtype = source.dtype
    count = _rebuild_size(source.tensor_shape, target.tensor_shape)
    budget.take(count * plain.size)
    listed = [name for name in _VALUES if getattr(source, name)]
    if source.tensor_content:
        _check_content(source, count * plain.size, listed)
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
    getattr(target, plain.values).extend(values)


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


def _check_content(source: pb.Tensor, size: int, listed: list[str]) -> None:
    if source.dtype == STRING:
        raise Refusal("a constant of strings has them as bytes", "Write strings in string_val.")
    if listed or len(source.tensor_content) != size:
        raise Refusal(f"a constant has {len(source.tensor_content)} bytes, and its shape needs {size}", _WHOLE)


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
