"""Where the tensors of a framed value lie: the header of a safetensors file.

The format (https://huggingface.co/docs/safetensors): 8 bytes little-endian size of the header, the header as JSON
(name -> dtype, shape, offsets in the data), the data. It has no code in it, and every offset can be checked before
anything is read. Beyond what the format asks for, ours says: tensors stand in the header in the order of their data;
the header is padded with spaces so that the data start at a multiple of 64.
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
_LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
_SIZE_FIELD = 8
_LARGEST_RANK = 32  # of numpy

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
    """One tensor in a file.

    Attributes:
        name: In the file.
        dtype: Of numpy; bfloat16 is that of ml_dtypes.
        shape: As stored.
        offset: Bytes from the start of the file.
        nbytes: Bytes.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Header:
    """A parsed header: the tensors in the order of their data, and the conventions that they follow (see `values`)."""

    tensors: tuple[TensorLayout, ...]
    metadata: dict[str, str]
    size: int
    """Bytes of the whole file."""


def encode(tensors: list[tuple[str, np.dtype[Any], tuple[int, ...], int]], metadata: dict[str, str]) -> bytes:
    """The start of a file, up to its data.

    Args:
        tensors: Name, dtype, shape and bytes of each, in order.
        metadata: Left out when empty.
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
    """Whether the format has this dtype."""
    return dtype.name in _NAMES


def parse(start: bytes | memoryview) -> Header:
    """Reads a header.

    Args:
        start: At least the header; what follows is not looked at.

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
    """Reads the header of an open file, and checks that the file is as long as it says.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    header = parse(os.pread(fd, data_offset(os.pread(fd, _SIZE_FIELD, 0)), 0))
    if (size := os.fstat(fd).st_size) != header.size:
        corrupt(f"it has {size} bytes, and should have {header.size}")
    return header


def data_offset(start: bytes | memoryview) -> int:
    """Where the data start, from (at least) the first eight bytes.

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
    """The dtype of this name; bfloat16 comes from ml_dtypes, which is there wherever TensorFlow is."""
    if name == "bfloat16":
        import ml_dtypes  # here, because the protocol does not depend on it

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
        corrupt(f"tensor {name!r} does not lie where its neighbours and its shape say")
    return TensorLayout(name, dtype_named(dtype_name), shape, position, nbytes)


def _is_size(number: object) -> bool:
    # bool is an int in Python, not here; the limit is that of numpy's and TensorFlow's dimensions.
    return type(number) is int and 0 <= number < 1 << 63


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice")
    return content
