"""Reads the table of signatures."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fedjobs_verifier.dtypes import NUMBERS
from fedjobs_verifier.signatures import STATEFUL, TABLE

STATEFUL_OPERATIONS = frozenset(STATEFUL.split())
"""The allowed operations that have side effects, or may return another result when they run again."""

_LINE = re.compile(r"(\w+)\((.*?)\) -> \((.*?)\)((?:; .*)?)")
_ARGUMENT = re.compile(r"(\w+):(?:(\w+)\*)?(?:\[(\w+)\]|(\w+))")
_ATTRIBUTE = re.compile(r"(\w+):([a-z]+(?:\([a-z]+\))?)(?:\{(.*?)\})?(?:>=(-?\d+))?")


@dataclass(frozen=True)
class Argument:
    """An input or an output, which stands for any number of tensors.

    Attributes:
        name: Its name.
        dtype: The number of its data type, or 0.
        type_attribute: The attribute with its data type, or empty.
        list_attribute: The attribute with the data types of its tensors, or empty.
        number_attribute: The attribute with the number of its tensors, or empty for one.
    """

    name: str
    dtype: int = 0
    type_attribute: str = ""
    list_attribute: str = ""
    number_attribute: str = ""


@dataclass(frozen=True)
class Kind:
    """What an attribute may be.

    Attributes:
        name: The kind: type, shape, int, float, bool, string, func, tensor, or list(...) of one.
        allowed: The allowed data types (numbers) or strings. None if there is no such list.
        least: The lowest number, or the shortest length of a list. None if there is no minimum.
    """

    name: str
    allowed: frozenset[int] | frozenset[bytes] | None = None
    least: int | None = None

    @functools.cached_property
    def entry(self) -> Kind:
        """The kind of an entry of a list."""
        return Kind(self.name[5:-1], self.allowed)

    @functools.cached_property
    def listed(self) -> bool:
        return self.name.startswith("list(")


@dataclass(frozen=True)
class Operation:
    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    attributes: Mapping[str, Kind]


@functools.cache
def known() -> Mapping[str, Operation]:
    """Returns the allowed operations by name."""
    return {operation.name: operation for operation in map(_operation, TABLE.strip().splitlines())}


def _operation(line: str) -> Operation:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"no signature: {line}")
    name, inputs, outputs, attributes = match.groups()
    return Operation(
        name,
        _arguments(inputs),
        _arguments(outputs),
        {a[1]: _kind(a) for a in map(_ATTRIBUTE.fullmatch, attributes.split("; ")[1:]) if a},
    )


def _arguments(text: str) -> tuple[Argument, ...]:
    found = []
    for match in map(_ARGUMENT.fullmatch, text.split(", ") if text else []):
        if match is None:
            raise ValueError(f"no arguments: {text}")
        name, number, types, one = match.groups()
        dtype = NUMBERS.get(one, 0)
        found.append(Argument(name, dtype, "" if dtype else one or "", types or "", number or ""))
    return tuple(found)


def _kind(match: re.Match[str]) -> Kind:
    _, name, allowed, least = match.groups()
    return Kind(name, _allowed(allowed), int(least) if least else None)


def _allowed(text: str | None) -> frozenset[int] | frozenset[bytes] | None:
    if not text:
        return None
    words = text.split(" ")
    if words[0].startswith("'"):
        return frozenset(word[1:-1].encode() for word in words)
    return frozenset(NUMBERS[word] for word in words)
