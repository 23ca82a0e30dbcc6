from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.plans import MergeKind
from fedjobs_compute.shards import LoadedShard, parse
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import OperationRefusedError, verify

from tests.compute import computations as c
from tests.compute.interpreter import Interpreter

F = np.float32


@pytest.mark.parametrize(
    ("computation", "arguments", "expected"),
    [
        (c.sum_of_shifted, (F(10), [F(1), F(2), F(4)]), 37),
        (c.weighted_mean, ([F(1), F(4)], [F(3), F(1)]), 1.75),
        (c.extremes, ([F(3), F(-1), F(2)],), (-1, 3, 4)),
        (c.count_known_words, (["a", "b", "zz"],), 2),
        (c.sum_of_doubled_elements, ([[F(1), F(2)], [F(3)]],), 12),
        (c.concatenated, (["x", "y"],), b"xy."),
        (c.captured_everywhere, ([F(1), F(2)], F(10)), 33),
        (c.literals_in_the_result, ([F(1), F(2)],), (3, 3.5, b"text", 7)),
        (c.selected, ([2, 3], F(5)), 25),
    ],
)
def test_a_planned_computation_has_the_expected_result(
    computation: Any, arguments: tuple[Any, ...], expected: Any
) -> None:
    assert Interpreter(computation)(*arguments) == expected


def test_a_computation_without_clients_reports_its_zero() -> None:
    assert Interpreter(c.sum_of_shifted)(F(10), []) == 0


@pytest.mark.parametrize(
    ("computation", "named"),
    [
        (c.doubled_at_clients, "placed at CLIENTS"),
        (c.secure_sum, "federated_secure_sum_bitwidth"),
    ],
)
def test_unsupported_computations_are_refused_by_name(computation: Any, named: str) -> None:
    with pytest.raises(FedjobsError, match=named) as raised:
        plan(computation)
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION


def test_only_leaves_that_the_silos_need_are_sent() -> None:
    stage = plan(c.sum_of_shifted).stages[0]
    assert stage.broadcasts == ("parameter_0/0",)
    assert plan(c.weighted_mean).stages[0].broadcasts == ()


def test_constants_are_part_of_the_shard_and_are_not_sent() -> None:
    shard = parse(plan(c.weighted_mean).stages[0].shard)
    assert not shard.broadcasts
    assert shard.zero.inputs == 0


@pytest.mark.parametrize(
    ("computation", "kinds"),
    [
        (c.sum_of_shifted, (MergeKind.SUM,)),
        (c.extremes, (MergeKind.MINIMUM, MergeKind.MAXIMUM, MergeKind.SUM)),
        (c.concatenated, (None,)),
    ],
)
def test_the_merge_kind_of_a_leaf_is_read_from_its_graph(computation: Any, kinds: tuple[MergeKind | None, ...]) -> None:
    assert plan(computation).stages[0].merge_kinds == kinds


def test_the_operations_of_a_shard_include_those_of_its_functions() -> None:
    found = verify(plan(c.sum_of_doubled_elements).stages[0].shard).operations
    assert {"MapDataset", "ReduceDataset", "AddV2"} <= found
    assert not any(name.startswith("f_") for name in found)


def test_bytes_that_are_not_a_shard_are_refused() -> None:
    with pytest.raises(FedjobsError) as raised:
        LoadedShard(b"\xff\xff not a shard")
    assert raised.value.code is ErrorCode.SHARD_FAILED


def test_a_shard_of_another_format_is_refused_with_both_formats() -> None:
    with pytest.raises(FedjobsError, match=r"format 9.*\[1\]") as raised:
        parse(shard_pb2.Shard(format=9).SerializeToString())
    assert raised.value.code is ErrorCode.VERSION_MISMATCH


def test_a_shard_with_a_graph_that_tensorflow_cannot_load_is_refused() -> None:
    shard = parse(plan(c.sum_of_shifted).stages[0].shard)
    shard.work.segments[0].graph_def = b"\x0a\x05\x0a\x03abc"
    with pytest.raises(FedjobsError) as raised:
        LoadedShard(shard.SerializeToString())
    assert raised.value.code is ErrorCode.SHARD_FAILED


def test_an_argument_of_the_wrong_type_is_named() -> None:
    with pytest.raises(FedjobsError, match=r"'a'.*float32") as raised:
        Interpreter(c.extremes)(["a"])
    assert raised.value.code is ErrorCode.PROGRAM_FAILED


def test_a_computation_that_no_silo_would_run_is_refused_with_the_reason() -> None:
    @tff.tensorflow.computation(np.float32)
    def far_away(value: Any) -> Any:
        with tf.device("/job:worker/task:1"):
            return value * 2

    @tff.federated_computation(c.FLOAT_AT_CLIENTS)
    def placed(values: Any) -> Any:
        return tff.federated_sum(tff.federated_map(far_away, values))

    with pytest.raises(FedjobsError, match=r"no silo would run the computation.*device '/job:worker/task:1'") as raised:
        plan(placed)
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION


def test_a_computation_with_an_operation_that_a_silo_can_allow_is_planned() -> None:
    @tff.tensorflow.computation(np.float32)
    def guaranteed(value: Any) -> Any:
        return tf.raw_ops.GuaranteeConst(input=value)

    @tff.federated_computation(c.FLOAT_AT_CLIENTS)
    def summed(values: Any) -> Any:
        return tff.federated_sum(tff.federated_map(guaranteed, values))

    shard = plan(summed).stages[0].shard
    with pytest.raises(OperationRefusedError, match="GuaranteeConst"):
        verify(shard)
    assert "GuaranteeConst" in verify(shard, ["GuaranteeConst"]).operations


def test_an_input_that_nobody_feeds_is_found_and_named():
    @tff.tensorflow.computation(np.float32)
    def stray(x):
        return x + tf.compat.v1.placeholder(tf.float32, [], "stray_input")

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def total(values):
        return tff.federated_sum(tff.federated_map(stray, values))

    with pytest.raises(FedjobsError, match=r"placeholders without a value: '.*stray_input'") as caught:
        plan(total)
    assert caught.value.code is ErrorCode.UNSUPPORTED_COMPUTATION
