"""What tensors of the data types variant and resource contain: datasets, optionals, iterators, variables and tables.

TensorFlow believes what a dataset operation declares about its elements, and reads them as if they had these types.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_verifier.dtypes import NAMES, RESOURCE, VARIANT


class Kind(enum.Enum):
    """A kind of content, as it is named in a message."""

    DATASET = "a dataset"
    ITERATOR = "an iterator"
    OPTIONAL = "an optional"
    NO_VALUE = "an optional without a value"
    VARIABLE = "a variable"
    TABLE = "a table"


_RESOURCES = frozenset({Kind.ITERATOR, Kind.VARIABLE, Kind.TABLE})


@dataclass(frozen=True, eq=False)
class Content:
    """What a tensor contains. `Contents` makes them, so that equal ones are identical.

    Attributes:
        kind: What it is.
        types: The types of an element, of the value, or of the keys and values.
    """

    kind: Kind
    types: tuple[Type, ...]

    @property
    def dtype(self) -> int:
        return RESOURCE if self.kind in _RESOURCES else VARIANT


Type = int | Content
"""The type of a tensor: the number of its data type, or its content. The numbers of variant and resource stand for a
tensor whose content is not known, or is of a kind that TensorFlow checks when it runs, such as a list of tensors."""


class Contents:
    """Makes each content once, so that comparing nested ones takes no longer than comparing flat ones."""

    def __init__(self) -> None:
        self._made: dict[tuple[Kind, tuple[Type, ...]], Content] = {}

    def of(self, kind: Kind, types: Sequence[Type] = ()) -> Content:
        key = kind, tuple(types)
        return self._made.setdefault(key, Content(*key))


def dtype_of(type_: Type) -> int:
    """Returns the number of the data type."""
    return type_ if isinstance(type_, int) else type_.dtype


def joined(one: Type, other: Type) -> Type:
    """Returns the type of a tensor that has one of two types."""
    if one is other or one == other:
        return one
    kinds = {type_.kind for type_ in (one, other) if isinstance(type_, Content)}
    if kinds == {Kind.OPTIONAL, Kind.NO_VALUE}:
        return next(type_ for type_ in (one, other) if isinstance(type_, Content) and type_.kind is Kind.OPTIONAL)
    return dtype_of(one)


def named(types: Sequence[Type]) -> str:
    """Returns the types for a message."""
    words = [NAMES.get(type_, str(type_)) if isinstance(type_, int) else type_.kind.value for type_ in types[:8]]
    return ", ".join([*words, *(["..."] if len(types) > 8 else [])]) or "nothing"
