"""Checks accumulators from the silos against the plan before they are used."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_protocol.transfers import layouts
from fedjobs_protocol.transfers.declared_sizes import HEADER_BYTES, is_fixed
from fedjobs_protocol.transfers.values import Leaf, SequenceValue, layout, unframe
from fedjobs_protocol.v1 import shard_pb2


def check_accumulators(silo: SiloName, expected: Sequence[shard_pb2.Leaf], value: bytes | int) -> None:
    """Checks that framed accumulators have the types of the plan.

    Args:
        silo: The silo that sent them.
        expected: The types of the plan.
        value: The framed value, or a descriptor of its file.

    Raises:
        FedjobsError: REPORT_MALFORMED. The message names the accumulator and both types.
    """
    try:
        _check_header(value, HEADER_BYTES * (1 + len(expected)))
        _check_strings(silo, expected, value)
        found = read_value(value)
    except FedjobsError as error:
        if error.code is ErrorCode.REPORT_MALFORMED:
            raise
        raise FedjobsError(
            ErrorCode.REPORT_MALFORMED, f"Silo {silo} sent accumulators that cannot be read: {error}"
        ) from None
    if len(found) != len(expected):
        raise _malformed(silo, f"{len(found)} accumulators", f"{len(expected)}")
    for leaf, is_ in zip(expected, found, strict=True):
        if isinstance(is_, SequenceValue):
            raise _malformed(silo, f"{leaf.name!r} as a sequence", "a tensor")
        if not _fits(leaf.tensor, is_):
            shape = "any shape" if leaf.tensor.unknown_rank else f"shape {list(leaf.tensor.shape)}"
            raise _malformed(
                silo, f"{leaf.name!r} as {_dtype(is_)} of shape {list(is_.shape)}", f"{leaf.tensor.dtype} of {shape}"
            )


def _check_header(value: bytes | int, most: int) -> None:
    """Rejects a header that is larger than necessary before it is parsed, because parsing blocks all silos."""
    start = value[:8] if isinstance(value, bytes) else os.pread(value, 8, 0)
    if layouts.data_offset(start) > most:
        layouts.corrupt(f"its header has more than {most} bytes")


def _check_strings(silo: SiloName, expected: Sequence[shard_pb2.Leaf], value: bytes | int) -> None:
    """Rejects more strings than in the plan before they are created, because each needs much more memory than sent."""
    strings = [leaf.tensor for leaf in expected if leaf.tensor.dtype == "string"]
    if not all(map(is_fixed, strings)):
        return
    most = sum(math.prod(tensor.shape) for tensor in strings)
    found = sum(math.prod(tensor.shape) for tensor in layout(value) if tensor.name.endswith("/lengths"))
    if found > most + len(expected):  # a few more are read quickly, and then the error names the leaf
        raise _malformed(silo, f"{found} strings", f"{most}")


def read_value(value: bytes | int) -> list[Leaf]:
    """Reads the leaves of a framed value. They are views of the bytes or of the mapped file.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    if isinstance(value, bytes):
        return unframe(value)
    if os.fstat(value).st_size == 0:
        return unframe(b"")
    return unframe(mmap.mmap(value, 0, prot=mmap.PROT_READ))


def _dtype(array: np.ndarray[Any, Any]) -> str:
    """Returns TensorFlow's name of the dtype."""
    return "string" if array.dtype == object else str(array.dtype.name)


def _fits(expected: shard_pb2.Tensor, found: np.ndarray[Any, Any]) -> bool:
    if expected.dtype != _dtype(found):
        return False
    if expected.unknown_rank:
        return True
    return len(expected.shape) == len(found.shape) and all(
        e in (-1, f) for e, f in zip(expected.shape, found.shape, strict=True)
    )


def _malformed(silo: SiloName, what: str, wanted: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.REPORT_MALFORMED,
        f"Silo {silo} sent {what}, but the plan expects {wanted}.",
        "Install the same release of fedjobs at the silo and at the coordinator.",
    )
