"""The size of framed values whose types are declared, before the values exist."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedjobs_protocol.v1 import shard_pb2

LARGEST_UNKNOWN = 1 << 30  # limit in bytes if the plan does not know the size: strings, shapes that depend on data
HEADER_BYTES = 4096  # limit of the header, and of each leaf's part of it
_ITEM_BYTES = {"bool": 1, "half": 2, "bfloat16": 2, "float16": 2, "complex64": 8, "complex128": 16}


def largest_frame(leaves: Sequence[shard_pb2.Leaf]) -> int:
    """Returns the maximum size of framed accumulators of these types, in bytes."""
    if all(_is_known(leaf) for leaf in leaves):
        return known_bytes(leaves) + HEADER_BYTES * (1 + len(leaves))
    return known_bytes(leaves) + LARGEST_UNKNOWN


def known_bytes(leaves: Sequence[shard_pb2.Leaf]) -> int:
    """Returns the size of accumulators of these types in bytes, without leaves of unknown size."""
    tensors = [leaf.tensor for leaf in leaves if _is_known(leaf)]
    return sum((_item_bytes(tensor.dtype) or 0) * math.prod(tensor.shape) for tensor in tensors)


def _is_known(leaf: shard_pb2.Leaf) -> bool:
    return _item_bytes(leaf.tensor.dtype) is not None and is_fixed(leaf.tensor)


def is_fixed(tensor: shard_pb2.Tensor) -> bool:
    """Whether the shape is known before the run."""
    return not tensor.unknown_rank and -1 not in tensor.shape


def _item_bytes(dtype: str) -> int | None:
    if dtype in _ITEM_BYTES:
        return _ITEM_BYTES[dtype]
    bits = dtype.lstrip("uintfloa")
    return int(bits) // 8 if bits.isdigit() else None
