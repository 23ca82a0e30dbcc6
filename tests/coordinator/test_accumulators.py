from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_coordinator.aggregation.accumulators import check_accumulators
from fedjobs_protocol.transfers.declared_sizes import LARGEST_UNKNOWN, known_bytes, largest_frame
from fedjobs_protocol.transfers.values import SequenceValue, frame
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor

SILO = SiloName("hospital-a")
EXPECTED = [Leaf(name="sum", tensor=Tensor(dtype="float32", shape=[2])), Leaf(name="n", tensor=Tensor(dtype="int64"))]
GOOD: list[Any] = [np.array([1, 2], np.float32), np.int64(3)]


def test_accumulators_that_match_the_plan_are_accepted_from_memory_and_from_files(tmp_path: Any) -> None:
    value = frame(GOOD).tobytes()
    check_accumulators(SILO, EXPECTED, value)
    path = tmp_path / "value"
    path.write_bytes(value)
    descriptor = os.open(path, os.O_RDONLY)
    check_accumulators(SILO, EXPECTED, descriptor)
    os.close(descriptor)


@pytest.mark.parametrize(
    ("leaves", "named"),
    [
        (GOOD[:1], "1 accumulators"),
        ([np.array([1, 2], np.float64), np.int64(3)], "'sum' as float64"),
        ([np.array([1, 2, 3], np.float32), np.int64(3)], r"shape \[3\]"),
        ([np.array([1, 2], np.float32), np.int32(3)], "'n' as int32"),
        ([np.array([1, 2], np.float32), np.array(b"x", dtype=object)], "'n' as string"),
        ([SequenceValue((np.array([1], np.float32),)), np.int64(3)], "sequence"),
    ],
)
def test_accumulators_that_do_not_match_the_plan_are_refused_with_the_silos_name(leaves: list[Any], named: str) -> None:
    with pytest.raises(FedjobsError, match=named) as raised:
        check_accumulators(SILO, EXPECTED, frame(leaves).tobytes())
    assert raised.value.code is ErrorCode.REPORT_MALFORMED
    assert "hospital-a" in raised.value.public


@pytest.mark.parametrize("garbage", [b"", b"short", b"\xff" * 100, frame(GOOD).tobytes()[:-1]])
def test_invalid_bytes_are_refused(garbage: bytes) -> None:
    with pytest.raises(FedjobsError) as raised:
        check_accumulators(SILO, EXPECTED, garbage)
    assert raised.value.code is ErrorCode.REPORT_MALFORMED


def test_unknown_dimensions_may_have_any_size() -> None:
    open_ended = [Leaf(name="x", tensor=Tensor(dtype="float32", shape=[-1, 2]))]
    check_accumulators(SILO, open_ended, frame([np.zeros((7, 2), np.float32)]).tobytes())
    with pytest.raises(FedjobsError):
        check_accumulators(SILO, open_ended, frame([np.zeros((7, 3), np.float32)]).tobytes())


def test_the_largest_frame_is_enough_and_not_much_more() -> None:
    leaves = [Leaf(name="x", tensor=Tensor(dtype="float32", shape=[1000, 1000]))]
    size = frame([np.zeros((1000, 1000), np.float32)]).size
    assert size <= largest_frame(leaves) < size + 10_000


@pytest.mark.parametrize("dtype", ["half", "bfloat16", "complex64", "bool", "uint16", "float64"])
def test_the_size_of_every_dtype_is_known(dtype: str) -> None:
    assert largest_frame([Leaf(tensor=Tensor(dtype=dtype, shape=[3]))]) < LARGEST_UNKNOWN


@pytest.mark.parametrize(
    "tensor", [Tensor(dtype="string"), Tensor(dtype="float32", shape=[-1]), Tensor(unknown_rank=True)]
)
def test_an_unknown_size_has_a_bound(tensor: Tensor) -> None:
    assert largest_frame([Leaf(tensor=tensor)]) == LARGEST_UNKNOWN


def test_known_and_unknown_sizes_are_added() -> None:
    large, text = Leaf(tensor=Tensor(dtype="float32", shape=[1 << 29])), Leaf(tensor=Tensor(dtype="string"))
    assert largest_frame([large, text]) == (2 << 30) + LARGEST_UNKNOWN
    assert known_bytes([large, text]) == 2 << 30


def test_more_strings_than_the_plan_expects_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    value = frame([np.full(1000, b"", dtype=object)]).tobytes()
    monkeypatch.setattr("fedjobs_coordinator.aggregation.accumulators.read_value", pytest.fail)
    with pytest.raises(FedjobsError, match="1000 strings, but the plan expects 1") as raised:
        check_accumulators(SILO, [Leaf(name="word", tensor=Tensor(dtype="string"))], value)
    assert raised.value.code is ErrorCode.REPORT_MALFORMED


def test_strings_that_match_the_plan_are_accepted() -> None:
    value = frame([np.full(1000, b"word", dtype=object)]).tobytes()
    for shape in ([1000], [-1]):
        check_accumulators(SILO, [Leaf(name="words", tensor=Tensor(dtype="string", shape=shape))], value)
