"""Frames values as safetensors.

A *value* is a flat list of leaves. A leaf is a tensor or a sequence of elements. A leaf that is a plain tensor is
stored under its number ("0", "1", ...), so that any safetensors library can read it. Leaves that the format does not
support follow conventions. `__metadata__` has them under "fedjobs", as a JSON object from name to convention:

    leaf 3 is ...                        stored as                                         convention
    complex64, complex128 of shape s     "3": F32, F64 of shape s + [2] (real, imaginary)  "complex"
    strings of shape s                   "3/lengths": I64 of shape s, "3/bytes": U8        "string"
    a sequence of equal element shapes   "3/*/0", "3/*/1", ...: a tensor for each          {"stacked": components}
                                         component, elements along the first dimension
    a sequence of other elements         "3/0/0", "3/0/1", ..., "3/1/0", ...: a tensor     {"elements": elements,
                                         for each element and component                    "components": components}

Components of sequences can be complex or strings too ("3/*/0/bytes"). Strings are bytes. In numpy they are arrays of
dtype object. Tensors are stored without gaps in the order of the leaves, so that equal values have equal bytes. So a
tensor may not be aligned for its dtype.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_protocol.transfers import layouts
from fedjobs_protocol.transfers.layouts import Header, TensorLayout, corrupt

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_CONVENTIONS = "fedjobs"
_COMPLEX: dict[str, np.dtype[Any]] = {"complex64": np.dtype(np.float32), "complex128": np.dtype(np.float64)}
_COMPLEX_OF: dict[str, np.dtype[Any]] = {"float32": np.dtype(np.complex64), "float64": np.dtype(np.complex128)}


@dataclass(frozen=True)
class SequenceValue:
    """A sequence (a TensorFlow dataset). All elements have the same number of components.

    Exactly one of the attributes is set.

    Attributes:
        components: If all elements have the same shapes: one array for each component, with the elements along the
            first dimension.
        elements: Otherwise: one array for each element and component.
    """

    components: tuple[Array, ...] | None = None
    elements: tuple[tuple[Array, ...], ...] | None = None

    def __post_init__(self) -> None:
        if (self.components is None) == (self.elements is None):
            raise ValueError("exactly one of components and elements must be given")
        if self.components is not None and (
            not self.components
            or len({array.shape[:1] for array in self.components}) != 1
            or not self.components[0].ndim
        ):
            raise ValueError("components must have the same first dimension, and there must be at least one component")
        if self.elements is not None and len({len(element) for element in self.elements}) > 1:
            raise ValueError("elements must have the same number of components")

    def __len__(self) -> int:
        """Returns the number of elements."""
        return len(self.components[0]) if self.components is not None else len(self.elements or ())


Leaf: TypeAlias = Array | SequenceValue


class Frame:
    """A framed value, ready to send. It refers to the arrays without copying them.

    Attributes:
        header: The bytes before the data.
        size: The total size in bytes.
    """

    def __init__(self, header: bytes, data: list[memoryview]) -> None:
        self.header = header
        self._data = data
        self.size = len(header) + sum(len(view) for view in data)

    def buffers(self) -> Iterator[memoryview]:
        """Yields all bytes in order, the header first."""
        yield memoryview(self.header)
        yield from self._data

    def tobytes(self) -> bytes:
        return b"".join(self.buffers())


def frame(leaves: Iterable[Leaf]) -> Frame:
    """Frames a value.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION if the dtype of a leaf cannot be sent.
    """
    writer = _Writer()
    for number, leaf in enumerate(leaves):
        writer.leaf(str(number), leaf)
    conventions = writer.conventions
    metadata = {_CONVENTIONS: json.dumps(conventions, separators=(",", ":"))} if conventions else {}
    return Frame(layouts.encode(writer.tensors, metadata), writer.data)


def unframe(buffer: bytes | memoryview | mmap.mmap) -> list[Leaf]:
    """Reads a framed value.

    Args:
        buffer: The complete value. The returned arrays are read-only views of it, except strings, which are copies.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    view = memoryview(buffer).toreadonly().cast("B")
    header = layouts.parse(view)
    if len(view) != header.size:
        corrupt(f"it has {len(view)} bytes, expected {header.size}")
    reader = _Reader(view, header)
    leaves: list[Leaf] = []
    while not reader.at_end:
        leaves.append(reader.leaf(str(len(leaves))))
    return leaves


def layout(source: int | bytes | memoryview) -> list[TensorLayout]:
    """Returns the layout of each stored tensor, for processing a value in blocks.

    Args:
        source: A descriptor of the whole file, or the start of a value, at least its header.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    return list((layouts.read(source) if isinstance(source, int) else layouts.parse(source)).tensors)


class _Writer:
    """Collects the header's entries and the data."""

    def __init__(self) -> None:
        self.tensors: list[tuple[str, np.dtype[Any], tuple[int, ...], int]] = []
        self.data: list[memoryview] = []
        self.conventions: dict[str, Any] = {}

    def leaf(self, name: str, leaf: Leaf) -> None:
        if not isinstance(leaf, SequenceValue):
            self._array(name, leaf)
        elif leaf.components is not None:
            self.conventions[name] = {"stacked": len(leaf.components)}
            self._arrays(f"{name}/*", leaf.components)
        else:
            elements = leaf.elements or ()
            self.conventions[name] = {"elements": len(elements), "components": len(elements[0]) if elements else 0}
            for number, element in enumerate(elements):
                self._arrays(f"{name}/{number}", element)

    def _arrays(self, name: str, arrays: Sequence[Array]) -> None:
        for number, array in enumerate(arrays):
            self._array(f"{name}/{number}", array)

    def _array(self, name: str, array: Array) -> None:
        array = np.asarray(array)
        if array.dtype.kind in "OSU":
            self.conventions[name] = "string"
            strings = [_encoded(name, item) for item in array.reshape(-1).tolist()]
            lengths = np.fromiter(map(len, strings), np.int64, len(strings)).reshape(array.shape)
            self._stored(f"{name}/lengths", lengths)
            self._stored(f"{name}/bytes", np.frombuffer(b"".join(strings), np.uint8))
        elif array.dtype.name in _COMPLEX:
            self.conventions[name] = "complex"
            pairs = _plain(array).reshape(-1).view(_COMPLEX[array.dtype.name])
            self._stored(name, pairs.reshape(*array.shape, 2))
        elif layouts.is_storable(array.dtype):
            self._stored(name, _plain(array))
        else:
            raise FedjobsError(
                ErrorCode.UNSUPPORTED_COMPUTATION,
                f"Value {name} has dtype {array.dtype}, which cannot be sent.",
                "Cast it inside the computation.",
            )

    def _stored(self, name: str, array: Array) -> None:
        self.tensors.append((name, array.dtype, array.shape, array.nbytes))
        self.data.append(array.reshape(-1).view(np.uint8).data)


class _Reader:
    """Reads stored tensors in order. Each must have the name that the conventions require."""

    def __init__(self, view: memoryview, header: Header) -> None:
        self._view = view
        self._tensors = header.tensors
        self._next = 0
        try:
            conventions = json.loads(header.metadata.get(_CONVENTIONS, "{}"))
        except (ValueError, RecursionError):
            corrupt("its conventions are not JSON")
        if not isinstance(conventions, dict):
            corrupt("its conventions are not an object")
        self._conventions: dict[str, Any] = conventions

    @property
    def at_end(self) -> bool:
        return self._next == len(self._tensors) and not self._conventions

    def leaf(self, name: str) -> Leaf:
        match self._conventions.get(name):
            case {"stacked": int(count), **rest} if not rest and count > 0:
                del self._conventions[name]
                return self._sequence(components=self._arrays(f"{name}/*", count))
            case {"elements": int(elements), "components": int(count), **rest} if not rest and elements >= 0 <= count:
                del self._conventions[name]
                # Elements without components have no bytes, so a small header could declare any number of them.
                if elements and not count:
                    corrupt(f"sequence {name!r} has no components")
                return self._sequence(
                    elements=tuple(self._arrays(f"{name}/{number}", count) for number in range(elements))
                )
        return self._array(name)

    def _sequence(
        self, components: tuple[Array, ...] | None = None, elements: tuple[tuple[Array, ...], ...] | None = None
    ) -> SequenceValue:
        try:
            return SequenceValue(components, elements)
        except ValueError as error:
            corrupt(str(error))

    def _arrays(self, name: str, count: int) -> tuple[Array, ...]:
        return tuple(self._array(f"{name}/{number}") for number in range(count))

    def _array(self, name: str) -> Array:
        convention = self._conventions.pop(name, None)
        if convention is None:
            return self._stored(name)
        if convention == "complex":
            return _complex(self._stored(name), name)
        if convention == "string":
            return _strings(self._stored(f"{name}/lengths"), self._stored(f"{name}/bytes"), name)
        return corrupt(f"{name!r} follows an unknown convention")

    def _stored(self, name: str) -> Array:
        if self._next == len(self._tensors) or self._tensors[self._next].name != name:
            corrupt(f"tensor {name!r} is missing or not in its place")
        tensor = self._tensors[self._next]
        self._next += 1
        data = np.frombuffer(self._view[tensor.offset : tensor.offset + tensor.nbytes], np.uint8)
        if tensor.dtype == np.bool_ and data.size and data.max() > 1:
            corrupt(f"tensor {name!r} has a boolean other than 0 and 1")
        try:
            return data.view(tensor.dtype).reshape(tensor.shape)
        except ValueError:
            corrupt(f"tensor {name!r} has a shape that is too large")


def _plain(array: Array) -> Array:
    """Returns a contiguous, little-endian array. It copies only if necessary."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _encoded(name: str, item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise FedjobsError(
        ErrorCode.UNSUPPORTED_COMPUTATION,
        f"Value {name} has an element of type {type(item).__name__}, which cannot be sent.",
        "Use numbers, or strings of bytes.",
    )


def _complex(pairs: Array, name: str) -> Array:
    if pairs.dtype.name not in _COMPLEX_OF or pairs.shape[-1:] != (2,):
        corrupt(f"tensor {name!r} does not hold complex numbers")
    return pairs.reshape(-1).view(_COMPLEX_OF[pairs.dtype.name]).reshape(pairs.shape[:-1])


def _strings(lengths: Array, content: Array, name: str) -> Array:
    if lengths.dtype != np.int64 or content.dtype != np.uint8 or content.ndim != 1:
        corrupt(f"tensor {name!r} does not hold strings")
    sizes = lengths.reshape(-1).tolist()
    if min(sizes, default=0) < 0 or sum(sizes) != content.size:
        corrupt(f"the strings of {name!r} do not match their lengths")
    text = content.tobytes()
    strings = np.empty(len(sizes), dtype=object)
    position = 0
    for number, size in enumerate(sizes):
        strings[number] = text[position : position + size]
        position += size
    return strings.reshape(lengths.shape)
