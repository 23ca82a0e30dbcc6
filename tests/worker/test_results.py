"""What a runner wrote is compared with what the shard declares."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from fedjobs_common.digests import digest
from fedjobs_protocol.transfers.values import SequenceValue, frame
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.release import results
from fedjobs_worker.release.results import ResultMismatchError


def declared(dtype: str, *shape: int, unknown_rank: bool = False) -> Leaf:
    return Leaf(tensor=Tensor(dtype=dtype, shape=shape, unknown_rank=unknown_rank))


def strings(*shape: int) -> np.ndarray[Any, Any]:
    return np.full(shape, b"text", dtype=object)


def sealed(leaves: list[Leaf], values: list[Any]) -> None:
    """Checks also that the size and the digest are those of what was written."""
    memory, content = shared_memory.create("test"), frame(values).tobytes()
    shared_memory.write(memory, [content])
    try:
        assert results.seal(memory, leaves) == (len(content), digest(content))
        with pytest.raises(PermissionError):
            os.pwrite(memory, b"x", 0)
    finally:
        os.close(memory)


@pytest.mark.parametrize(
    ("leaves", "values"),
    [
        ([], []),
        ([declared("float32", 2, 3)], [np.ones((2, 3), np.float32)]),
        ([declared("float32", -1, 3)], [np.ones((50, 3), np.float32)]),
        ([declared("int64", unknown_rank=True)], [np.ones((1, 2, 3), np.int64)]),
        ([declared("half", 2)], [np.ones(2, np.float16)]),
        ([declared("bool")], [np.array(True)]),
        ([declared("complex64", 2)], [np.ones(2, np.complex64)]),
        ([declared("string", 2), declared("string")], [strings(2), strings()]),
        ([declared("string", -1), declared("complex128")], [strings(0), np.complex128(1)]),
    ],
)  # fmt: skip
def test_a_result_with_the_declared_types_is_accepted(leaves: list[Leaf], values: list[Any]) -> None:
    sealed(leaves, values)


@pytest.mark.parametrize(
    ("leaves", "values"),
    [
        ([declared("float32", -1, 3)], [np.ones((50, 4), np.float32)]),
        ([declared("float32", -1, 3)], [np.ones(3, np.float32)]),
        ([declared("float32", 2)], [np.ones(2, np.int32)]),
        ([declared("float32")], []),
        ([], [np.ones(2, np.int32)]),
        ([declared("float32")], [np.float32(1), np.float32(2)]),
        ([declared("string", 1)], [strings(2)]),
        ([declared("string", -1)], [np.ones(2, np.int64)]),
        ([declared("complex64")], [np.ones(2, np.float32)]),
        ([declared("complex64")], [np.complex128(1)]),
        ([declared("float32", -1)], [SequenceValue(components=(np.ones(2, np.float32),))]),
        ([declared("int64", unknown_rank=True)], [np.float64(1)]),
    ],
)
def test_another_result_is_not(leaves: list[Leaf], values: list[Any]) -> None:
    with pytest.raises(ResultMismatchError):
        sealed(leaves, values)


@pytest.mark.parametrize("lengths", [[4, 5], [-1, 9], [2**62, 8 - 2**62], [2**63 - 1, 2**63 - 1]])
def test_strings_have_the_bytes_of_their_lengths(lengths: list[int]) -> None:
    content = frame([strings(2)]).tobytes()
    start = 8 + int.from_bytes(content[:8], "little")
    forged = content[:start] + np.array(lengths, np.int64).tobytes() + content[start + 16 :]
    memory = shared_memory.create("test")
    shared_memory.write(memory, [forged])
    with pytest.raises(ResultMismatchError):
        results.seal(memory, [declared("string", 2)])
    os.close(memory)
