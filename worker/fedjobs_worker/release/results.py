"""Checks a runner's result against the types that the shard declares, before anything leaves the silo.

A runner may be compromised. It may keep the descriptor of the memory that it wrote to. So the memory is sealed first:
what is checked, counted and digested afterwards is what is sent.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from fedjobs_common import digests
from fedjobs_common.errors import FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers import layouts
from fedjobs_protocol.transfers.declared_sizes import HEADER_BYTES, largest_frame
from fedjobs_protocol.transfers.layouts import TensorLayout
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import shared_memory

_PAIRS = {"complex64": "float32", "complex128": "float64"}
_ALIASES = {"half": "float16"}


class ResultMismatchError(Exception):
    """The result is not what the shard declares. The text is for the silo's log only."""


def seal(memory: int, declared: Sequence[shard_pb2.Leaf]) -> tuple[int, Digest]:
    """Makes a result immutable, and compares it with the declared types.

    Args:
        memory: The memory that the runner wrote to.
        declared: The accumulators of the shard.

    Returns:
        The size in bytes, and the digest.

    Raises:
        ResultMismatchError: The memory cannot be sealed, or the result does not have the declared types.
    """
    try:
        shared_memory.seal(memory)
    except OSError as error:
        raise ResultMismatchError(f"the runner still uses the memory of its result: {error.strerror}") from error
    size = os.fstat(memory).st_size
    if not 0 < size <= largest_frame(declared):
        raise ResultMismatchError(f"it has {size} bytes, and at most {largest_frame(declared)} are declared")
    with mmap.mmap(memory, size, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
        try:
            _check(view, declared)
        except FedjobsError as error:
            raise ResultMismatchError(error.public) from None
        return size, digests.digest(view)


def _check(view: memoryview, declared: Sequence[shard_pb2.Leaf]) -> None:
    if layouts.data_offset(view) > HEADER_BYTES * (1 + len(declared)):
        raise ResultMismatchError("its header is too long")
    header = layouts.parse(view)
    if header.size != len(view):
        raise ResultMismatchError(f"it has {len(view)} bytes, expected {header.size}")
    stored = list(header.tensors)
    conventions: dict[str, str] = {}
    for number, leaf in enumerate(declared):
        name, dtype = str(number), _ALIASES.get(leaf.tensor.dtype, leaf.tensor.dtype)
        if not leaf.HasField("tensor"):
            raise ResultMismatchError(f"accumulator {name} is declared as a sequence")
        if dtype == "string":
            conventions[name] = "string"
            lengths = _taken(stored, f"{name}/lengths", "int64", leaf.tensor)
            content = _taken(stored, f"{name}/bytes", "uint8", None)
            _check_strings(view, lengths, content)
        elif dtype in _PAIRS:
            conventions[name] = "complex"
            _taken(stored, name, _PAIRS[dtype], leaf.tensor, pairs=True)
        else:
            _taken(stored, name, dtype, leaf.tensor)
    if stored:
        raise ResultMismatchError(f"it has {len(stored)} tensors more than are declared")
    # The header has exactly the bytes that its content requires, so that it carries nothing else.
    metadata = {"fedjobs": json.dumps(conventions, separators=(",", ":"))} if conventions else {}
    entries = [(tensor.name, tensor.dtype, tensor.shape, tensor.nbytes) for tensor in header.tensors]
    if layouts.encode(entries, metadata) != view[: layouts.data_offset(view)]:
        raise ResultMismatchError("its header has other content than its tensors")


def _taken(
    stored: list[TensorLayout], name: str, dtype: str, declared: shard_pb2.Tensor | None, *, pairs: bool = False
) -> TensorLayout:
    """Removes the next stored tensor, and compares it with what is declared. None: one dimension of any size."""
    if not stored or stored[0].name != name:
        raise ResultMismatchError(f"tensor {name} is missing")
    tensor = stored.pop(0)
    shape: Sequence[int] = tensor.shape
    if pairs:
        if shape[-1:] != (2,):
            raise ResultMismatchError(f"tensor {name} has no complex numbers")
        shape = shape[:-1]
    wanted: Sequence[int] = [-1] if declared is None else declared.shape
    fits = (declared is not None and declared.unknown_rank) or (
        len(shape) == len(wanted) and all(w in (-1, s) for w, s in zip(wanted, shape, strict=True))
    )
    if tensor.dtype.name != dtype or not fits:
        raise ResultMismatchError(
            f"tensor {name} has dtype {tensor.dtype.name} and shape {list(tensor.shape)}, declared are {dtype} and "
            f"{list(wanted)}"
        )
    return tensor


def _check_strings(view: memoryview, lengths: TensorLayout, content: TensorLayout) -> None:
    sizes: np.ndarray[Any, np.dtype[np.int64]] = np.frombuffer(
        bytes(view[lengths.offset : lengths.offset + lengths.nbytes]), "<i8"
    )
    if (sizes < 0).any() or (sizes > content.nbytes).any() or int(sizes.sum()) != content.nbytes:
        raise ResultMismatchError(f"the strings of {lengths.name} do not have their lengths")
