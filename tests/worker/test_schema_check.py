from __future__ import annotations

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.data import schema_check
from fedjobs_worker.data.schemas import Component

SCHEMA = (Component("x", "float32", (63,)), Component("y", "int32", ()))


def wanted(**components: tuple[str, list[int]]) -> shard_pb2.Leaf:
    parts = [
        shard_pb2.Component(name=name, tensor=shard_pb2.Tensor(dtype=dtype, shape=shape))
        for name, (dtype, shape) in components.items()
    ]
    return shard_pb2.Leaf(sequence=shard_pb2.Sequence(components=parts))


def test_components_are_matched_by_name_in_the_order_of_the_shard() -> None:
    assert schema_check.positions("a", "digits", SCHEMA, wanted(y=("int32", []), x=("float32", [63]))) == [1, 0]


def test_an_unknown_dimension_accepts_any_size() -> None:
    assert schema_check.positions("a", "digits", SCHEMA, wanted(x=("float32", [-1]))) == [0]


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (
            wanted(x=("float32", [64]), y=("int32", [])),
            "dataset 'digits' of silo hospital-a has x: float32[63], but the computation expects float32[64].",
        ),
        (wanted(x=("float32", [63]), y=("int64", [])), "has y: int32[], but the computation expects int64[]."),
        (wanted(x=("float32", [63, 1])), "has x: float32[63], but the computation expects float32[63,1]."),
        (wanted(z=("float32", [])), "has x: float32[63], y: int32[], but the computation expects a component 'z'."),
        (
            shard_pb2.Leaf(tensor=shard_pb2.Tensor(dtype="float32")),
            "is a sequence of examples, but the computation expects one value, float32[].",
        ),
    ],
)
def test_a_mismatch_names_the_actual_and_the_expected_schema(leaf: shard_pb2.Leaf, message: str) -> None:
    with pytest.raises(FedjobsError) as caught:
        schema_check.positions("hospital-a", "digits", SCHEMA, leaf)
    assert caught.value.code is ErrorCode.SCHEMA_MISMATCH
    assert message in caught.value.message
    assert caught.value.remedy
