"""Bounds of the numbers in small integer tensors, where constants or the operation itself set them.

TensorFlow's kernel of Transpose does not notice a negative number in the permutation, and then writes outside of its
output. So the numbers must be known not to be negative. The kernel checks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedjobs_verifier import graph_pb2 as pb
from fedjobs_verifier.constants import integers_of

Range = tuple[int, int]
"""The lowest and the highest number that a tensor can contain."""

_SMALL = 256  # elements. Longer constants are no permutations
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_RANKS = (0, 254)  # TensorFlow's limit


def range_of_constant(tensor: pb.Tensor) -> Range | None:
    """Returns the range of a constant. None if it is none of integers, not small, or has no elements."""
    elements = integers_of(tensor, _SMALL)
    return _within(min(elements), max(elements)) if elements else None


def range_of(op: str, inputs: Sequence[Range | None]) -> Range | None:
    """Returns the range of the first output of an operation. None if it is not known.

    Args:
        op: The operation.
        inputs: The ranges of its inputs.
    """
    if op == "Rank":
        return _RANKS
    if op == "InvertPermutation":  # its kernel checks each number
        return 0, _HIGHEST
    rule, positions = _RULES.get(op, (None, slice(0)))
    needed = inputs[positions]
    known = [each for each in needed if each is not None]
    if rule is None or not known or len(known) < len(needed):
        return None
    return rule(known)


def _within(low: int, high: int) -> Range | None:
    """Returns the range unless a number would overflow 32 bits."""
    return (low, high) if low >= _LOWEST and high <= _HIGHEST else None


def _same(given: Sequence[Range]) -> Range | None:
    return given[0]


def _any(given: Sequence[Range]) -> Range | None:
    return min(low for low, _ in given), max(high for _, high in given)


def _sum(given: Sequence[Range]) -> Range | None:
    (low, high), (other_low, other_high) = given
    return _within(low + other_low, high + other_high)


def _difference(given: Sequence[Range]) -> Range | None:
    (low, high), (other_low, other_high) = given
    return _within(low - other_high, high - other_low)


def _remainder(given: Sequence[Range]) -> Range | None:
    low, high = given[1]
    return (0, high) if low >= 0 else None  # it has the sign of the divisor


def _counted(given: Sequence[Range]) -> Range | None:
    (start, highest_start), (limit, highest_limit), (step, highest_step) = given
    if step > 0:
        return _within(start, max(start, highest_limit))
    if highest_step < 0:
        return _within(limit + 1, max(limit + 1, highest_start))
    return None


_FIRST, _ALL = slice(0, 1), slice(None)
_RULES: Mapping[str, tuple[Callable[[Sequence[Range]], Range | None], slice]] = {
    "AddV2": (_sum, _ALL),
    "ConcatV2": (_any, slice(0, -1)),
    "ExpandDims": (_same, _FIRST),
    "FloorMod": (_remainder, _ALL),
    "GatherV2": (_same, _FIRST),
    "Identity": (_same, _FIRST),
    "ListDiff": (_same, _FIRST),
    "Pack": (_any, _ALL),
    "Range": (_counted, _ALL),
    "Reshape": (_same, _FIRST),
    "Select": (_any, slice(1, None)),
    "SelectV2": (_any, slice(1, None)),
    "Squeeze": (_same, _FIRST),
    "StridedSlice": (_same, _FIRST),
    "Sub": (_difference, _ALL),
}
"""The rules by operation, and the inputs whose ranges they need."""

FOLLOWED = frozenset({*_RULES, "InvertPermutation", "Rank"})
"""The operations with a rule. Their tensors of floats have no range, as no constant of floats has one."""
