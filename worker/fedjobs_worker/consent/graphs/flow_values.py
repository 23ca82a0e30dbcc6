"""What the data-flow analysis knows about a tensor: what influences it, and whether it can hold single records."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace


class Level(enum.IntEnum):
    """How client data are in a tensor. A higher level includes the lower ones."""

    NONE = 0
    """Not at all."""
    SUMS = 1
    """In sums over records, or in counts of records."""
    GROUPS = 2
    """In sums over groups of records, which the data choose. A group can have one record."""
    RECORDS = 3
    """The values of single records can be in it."""


ONE, MIXED, CHOSEN = -1, -2, -3
"""Where the records are in a tensor with single records, if no dimension counts them: it is of one record, as an
element of a dataset is; it is not known; or it is of records that were chosen. 0 or more is a dimension."""

ALL_AXES = "all axes"
RANK = "rank"
SHAPE = "shape of rank "
Constant = tuple[int, ...] | str | None


@dataclass(frozen=True)
class Value:
    """What is known about a tensor, a dataset, an iterator or a resource.

    Attributes:
        level: How client data are in it.
        axis: Where the records are, if the level is RECORDS.
        rank: The number of dimensions, if it is known.
        sources: The inputs that influence it, as bits.
        through: The operations that aggregated records on the way, as bits.
        constant: Small integers if it is a constant. ALL_AXES for the numbers of all dimensions of a tensor, RANK for
            their count, SHAPE and a rank for their sizes.
        carries: The variable of a loop to which this is a sum of the variable and something, or None.
        added: The level of what is added to the variable.
        added_axis: Where the records are in what is added.
        elements: What the elements of a dataset, an iterator or an optional consist of. None if it is not known.
        handle: The names of the resources to which it refers.
        path: For messages, the last operations on single records. It ends where their place is lost.
        lost: Whether their place is lost.
    """

    level: Level = Level.NONE
    axis: int = ONE
    rank: int | None = None
    sources: int = 0
    through: int = 0
    constant: Constant = None
    carries: tuple[str, int] | None = None
    added: Level = Level.NONE
    added_axis: int = ONE
    elements: tuple[Value, ...] | None = None
    handle: frozenset[str] = frozenset()
    path: tuple[str, ...] = field(default=(), compare=False)
    lost: bool = field(default=False, compare=False)

    def settled(self) -> Value:
        """Returns the value as something that is not the sum of a loop's variable any more."""
        if self.carries is None:
            return self
        level, axis = _joined(self.level, self.axis, self.added, self.added_axis)
        return replace(self, level=level, axis=axis, carries=None, added=Level.NONE, added_axis=ONE)

    def summed(self, over: int) -> Value:
        """Returns the sum of such values in the steps of a loop. `over` is the bit of the loop's operation."""
        if self.level is Level.RECORDS and self.axis == ONE:
            return replace(self, level=Level.SUMS, axis=ONE, through=self.through | over, path=(), lost=False)
        return self

    def moved(self, axis: int, rank: int | None, operation: str) -> Value:
        """Returns the value after an operation that moves single records to another place."""
        path = self.path if self.lost or self.path[-1:] == (operation,) else (*self.path, operation)[-4:]
        lost = self.lost or axis in (MIXED, CHOSEN)
        return replace(self.settled(), axis=axis, rank=rank, constant=None, path=path, lost=lost)


def joined(values: Iterable[Value]) -> Value:
    """Returns a value that can be each of these."""
    found: Value | None = None
    for value in values:
        found = value if found is None or found == value else _join(found, value)
    return found or Value()


def _join(one: Value, other: Value) -> Value:
    if one.carries != other.carries:
        one, other = one.settled(), other.settled()
    level, axis = _joined(one.level, one.axis, other.level, other.axis)
    added, added_axis = _joined(one.added, one.added_axis, other.added, other.added_axis)
    elements = None
    if one.elements is not None and other.elements is not None and len(one.elements) == len(other.elements):
        elements = tuple(_join(a, b) if a != b else a for a, b in zip(one.elements, other.elements, strict=True))
    return Value(
        level=level,
        axis=axis,
        rank=one.rank if one.rank == other.rank else None,
        sources=one.sources | other.sources,
        through=one.through | other.through,
        constant=one.constant if one.constant == other.constant else None,
        carries=one.carries,
        added=added,
        added_axis=added_axis,
        elements=elements,
        handle=one.handle | other.handle,
        path=one.path if one.level >= other.level else other.path,
        lost=one.lost if one.level >= other.level else other.lost,
    )


def _joined(one: Level, one_axis: int, other: Level, other_axis: int) -> tuple[Level, int]:
    if one is not Level.RECORDS and other is not Level.RECORDS:
        return max(one, other), ONE
    axes = [a for a, level in ((one_axis, one), (other_axis, other)) if level is Level.RECORDS]
    return Level.RECORDS, common(axes)


def common(axes: Iterable[int]) -> int:
    """Returns the place of the records in something that has records in all these places."""
    found = set(axes)
    if len(found) == 1:
        return found.pop()
    return CHOSEN if found <= {ONE, CHOSEN} else MIXED


def without_records(values: Iterable[Value], rank: int | None = None) -> Value:
    """Returns what depends on values only by their number or by sums of them."""
    mixed = mixed_of(values)
    return replace(mixed, level=min(mixed.level, Level.SUMS), axis=ONE, rank=rank, path=(), lost=False)


def mixed_of(values: Iterable[Value]) -> Value:
    """Returns what depends on values in an unknown way, without a place of the records yet."""
    found = [value.settled() for value in values]
    for value in found:  # the list grows by the elements of datasets
        found += [element.settled() for element in value.elements or ()]
    sources = through = 0
    level, axes = Level.NONE, []
    path: tuple[str, ...] = ()
    lost = False
    for value in found:
        sources, through = sources | value.sources, through | value.through
        if value.level > level or (value.level is level and value.lost and not lost):
            level, path, lost = value.level, value.path, value.lost
        if value.level is Level.RECORDS:
            axes.append(value.axis)
    axis = common(axes) if axes else ONE
    return Value(level=level, axis=axis, sources=sources, through=through, path=path, lost=lost)


def worst(values: Iterable[Value], operation: str) -> Value:
    """Returns what an operation gives that is not understood. A single record stays a single record."""
    mixed = mixed_of(values)
    if mixed.level is not Level.RECORDS:
        return mixed
    return mixed.moved(CHOSEN if mixed.axis in (ONE, CHOSEN) else MIXED, None, operation)
