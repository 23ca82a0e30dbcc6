"""The header of a safetensors file, which has the layout of a framed value's tensors.

The format (https://huggingface.co/docs/safetensors) is: the size of the header (8 bytes, little-endian), the header as
JSON (name -> dtype, shape, offsets in the data), the data. It contains no code, and every offset can be checked before
the data are read. This module also requires that the header lists tensors in the order of their data, and pads it with
spaces so that the data start at a multiple of 64.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError

ALIGNMENT = 64
_LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors library
_SIZE_FIELD = 8
_LARGEST_RANK = 32  # the limit of numpy

_NAMES = {
    "bool": "BOOL",
    "int8": "I8",
    "uint8": "U8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "int64": "I64",
    "uint64": "U64",
    "float64": "F64",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}
_ITEM_BYTES = {"bfloat16": 2} | {dtype: np.dtype(dtype).itemsize for dtype in _NAMES if dtype != "bfloat16"}


@dataclass(frozen=True)
class TensorLayout:
    """The layout of one tensor in a file.

    Attributes:
        name: The name in the file.
        dtype: The numpy dtype. bfloat16 is the dtype of ml_dtypes.
        shape: The stored shape.
        offset: The offset from the start of the file, in bytes.
        nbytes: The size in bytes.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Header:
    """A parsed header: the tensors in the order of their data, and the metadata (see `values` for conventions)."""

    tensors: tuple[TensorLayout, ...]
    metadata: dict[str, str]
    size: int
    """The size of the whole file in bytes."""


def encode(tensors: list[tuple[str, np.dtype[Any], tuple[int, ...], int]], metadata: dict[str, str]) -> bytes:
    """Returns the start of a file, up to its data.

    Args:
        tensors: The name, dtype, shape and size in bytes of each tensor, in order.
        metadata: The metadata. Omitted if empty.
    """
    content: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    position = 0
    for name, dtype, shape, nbytes in tensors:
        end = position + nbytes
        content[name] = {"dtype": _NAMES[dtype.name], "shape": shape, "data_offsets": (position, end)}
        position = end
    text = json.dumps(content, separators=(",", ":")).encode()
    padded = text.ljust(-(-(len(text) + _SIZE_FIELD) // ALIGNMENT) * ALIGNMENT - _SIZE_FIELD)
    return len(padded).to_bytes(_SIZE_FIELD, "little") + padded


def is_storable(dtype: np.dtype[Any]) -> bool:
    """Returns whether the format supports this dtype."""
    return dtype.name in _NAMES


def parse(start: bytes | memoryview) -> Header:
    """Parses a header.

    Args:
        start: The start of a file, at least its header. The rest is ignored.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    start = memoryview(start)
    data_start = data_offset(start)
    if data_start > len(start):
        corrupt(f"its header ends at byte {data_start}, it has {len(start)}")
    try:
        content = json.loads(str(start[_SIZE_FIELD:data_start], "utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        corrupt("its header is not JSON")
    if not isinstance(content, dict):
        corrupt("its header is not an object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        corrupt("its metadata are not strings")
    tensors = []
    position = data_start
    for name, entry in content.items():
        tensors.append(_tensor(name, entry, data_start, position))
        position += tensors[-1].nbytes
    return Header(tuple(tensors), metadata, position)


def read(fd: int) -> Header:
    """Reads the header of an open file, and checks the size of the file against it.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    header = parse(os.pread(fd, data_offset(os.pread(fd, _SIZE_FIELD, 0)), 0))
    if (size := os.fstat(fd).st_size) != header.size:
        corrupt(f"it has {size} bytes, expected {header.size}")
    return header


def data_offset(start: bytes | memoryview) -> int:
    """Returns the offset of the data, from at least the first eight bytes of a file.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    if len(start) < _SIZE_FIELD:
        corrupt(f"it has only {len(start)} bytes")
    size = int.from_bytes(start[:_SIZE_FIELD], "little")
    if size > _LARGEST_HEADER:
        corrupt(f"its header would have {size} bytes")
    return _SIZE_FIELD + size


def corrupt(why: str) -> NoReturn:
    raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"A value is malformed: {why}.")


def dtype_named(name: str) -> np.dtype[Any]:
    """Returns the dtype with this name. bfloat16 needs ml_dtypes, which is installed with TensorFlow."""
    if name == "bfloat16":
        import ml_dtypes  # imported here, because this package does not depend on it

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _tensor(name: str, entry: Any, data_start: int, position: int) -> TensorLayout:
    try:
        dtype_name, shape, (begin, end) = _DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        corrupt(f"tensor {name!r} has no known dtype, shape and offsets")
    if len(shape) > _LARGEST_RANK or not all(_is_size(number) for number in (*shape, begin, end)):
        corrupt(f"tensor {name!r} has a wrong shape or offset")
    nbytes = math.prod(shape) * _ITEM_BYTES[dtype_name]
    if data_start + begin != position or end - begin != nbytes:
        corrupt(f"the offsets of tensor {name!r} do not match its shape and the preceding tensor")
    return TensorLayout(name, dtype_named(dtype_name), shape, position, nbytes)


def _is_size(number: object) -> bool:
    # bool is a subclass of int, but not a size. The limit is that of dimensions in numpy and TensorFlow.
    return type(number) is int and 0 <= number < 1 << 63


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name occurs twice")
    return content
