"""What a silo keeps between the stages of an invocation, and which work can read it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.release.failures import WorkFailedError
from fedjobs_worker.sessions.kept_values import KeptStage, KeptValues, check_clients

FLOAT = shard_pb2.Leaf(name="x", tensor=shard_pb2.Tensor(dtype="float32"))
INTEGER = shard_pb2.Leaf(name="x", tensor=shard_pb2.Tensor(dtype="int32"))
FIRST, OTHER = Digest("1" * 64), Digest("2" * 64)
CLIENTS, OTHERS = Digest("c" * 64), Digest("d" * 64)


def memory(size: int = 8) -> int:
    found = shared_memory.create("test")
    os.ftruncate(found, size)
    return found


def kept(size: int = 8, shard: Digest = FIRST) -> KeptStage:
    return KeptStage(shard, (FLOAT,), CLIENTS, ("digits",), memory(size))


def reading(shard: Digest = FIRST, output: int = 0, leaf: shard_pb2.Leaf = FLOAT) -> shard_pb2.Shard:
    return shard_pb2.Shard(kept_inputs=[shard_pb2.KeptInput(type=leaf, shard=digests.raw(shard), output=output)])


def work(invocation: str = "i", stage: int = 1, *sources: int) -> pb.Work:
    return pb.Work(invocation=invocation, stage=stage, kept_stages=sources or [0])


@pytest.fixture
def values() -> KeptValues:
    found = KeptValues(most=100)
    found.begin("i")
    found.put(0, kept())
    return found


def failure(read: Callable[[], object]) -> FailureClass:
    with pytest.raises(WorkFailedError) as raised:
        read()
    return raised.value.failure.kind


def test_a_later_stage_gets_what_the_earlier_one_has_kept(values: KeptValues) -> None:
    (found,) = values.sources(work(), reading())
    assert (found.shard, found.datasets, found.size) == (FIRST, ("digits",), 8)


@pytest.mark.parametrize(
    ("asked", "shard"),
    [
        (work(), reading(shard=OTHER)),
        (work(), reading(output=1)),
        (work(), reading(leaf=INTEGER)),
        (work("i", 0), reading()),
        (work("i", 1, 1), reading()),
        (work("i", 1, 0, 0), reading()),
        (pb.Work(invocation="i", stage=1), reading()),
        (work(""), reading()),
        (work("x" * 129), reading()),
    ],
    ids=[
        "of another shard",
        "of an output that is not kept",
        "with another type",
        "in the same stage",
        "of a later stage",
        "with too many sources",
        "without a source",
        "without an invocation",
        "with a long invocation",
    ],
)
def test_work_that_does_not_fit_what_is_kept_is_invalid(
    values: KeptValues, asked: pb.Work, shard: shard_pb2.Shard
) -> None:
    assert failure(lambda: values.sources(asked, shard)) is FailureClass.WORK_INVALID


@pytest.mark.parametrize("asked", [work("another"), work("i", 2, 1)], ids=["another invocation", "a lost stage"])
def test_missing_values_can_be_computed_again(values: KeptValues, asked: pb.Work) -> None:
    kind = failure(lambda: values.sources(asked, reading()))
    assert (kind, kind.code) == (FailureClass.KEPT_MISSING, ErrorCode.KEPT_VALUES_LOST)
    assert kind.code.retryable


def test_the_next_invocation_drops_the_values(values: KeptValues) -> None:
    values.begin("next")
    values.begin("i")
    assert failure(lambda: values.sources(work(), reading())) is FailureClass.KEPT_MISSING


def test_values_of_other_clients_are_not_used(values: KeptValues) -> None:
    found = values.sources(work(), reading())
    check_clients(found, CLIENTS)
    assert failure(lambda: check_clients(found, OTHERS)) is FailureClass.WORK_INVALID


def test_all_stages_together_have_a_quota(values: KeptValues) -> None:
    values.put(1, kept(92))
    assert failure(lambda: values.put(2, kept(1))) is FailureClass.KEPT_TOO_LARGE
    values.put(1, kept(50))  # the same stage again
    values.put(2, kept(1))


def test_kept_values_cannot_change(values: KeptValues) -> None:
    mine = memory()
    values.put(1, KeptStage(OTHER, (FLOAT,), CLIENTS, (), mine))
    with pytest.raises(PermissionError):
        os.pwrite(mine, b"x", 0)
