"""Plan files: a process without TensorFlow reads the same plan that was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import fedjobs
import pytest
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.plan_files import load, parse, serialize
from fedjobs_compute.planner.planning import plan
from fedjobs_compute.planner.saving import saved_plan
from fedjobs_compute.plans import ClientInput, KeptInput, MergeKind
from fedjobs_protocol.v1 import plan_pb2

from tests.compute import computations as c

LOADS = """
import pathlib, sys
from fedjobs_compute.plan_files import load
print(load(pathlib.Path(sys.argv[1])).label, *{"tensorflow", "tensorflow_federated"} & set(sys.modules))
"""


@pytest.mark.parametrize(
    "computation",
    [c.sum_of_shifted, c.weighted_mean, c.extremes, c.count_known_words, c.concatenated, c.selected, c.variance],
)
def test_a_plan_is_read_as_it_was_written(computation: Any) -> None:
    saved = saved_plan(computation, "asked")
    assert parse(serialize(saved)) == saved


def test_the_sources_of_kept_values_are_read_as_they_were_written() -> None:
    @tff.federated_computation(c.FLOAT_AT_CLIENTS)
    def kept(values: Any) -> Any:
        doubled = tff.federated_map(c.double, values)
        total = tff.federated_broadcast(tff.federated_sum(doubled))
        return tff.federated_sum(tff.federated_map(c.add, (doubled, total)))

    saved = parse(serialize(saved_plan(kept, "kept")))
    assert [stage.kept_inputs for stage in saved.plan.stages] == [(), (KeptInput(0, 0),)]
    assert len(saved.plan.stages[0].kept_outputs) == 1


def test_a_file_has_its_name_as_label_and_the_same_shards_as_without_a_file(tmp_path: Path) -> None:
    digests = fedjobs.save_plan(c.extremes, tmp_path / "asked.plan")
    saved = load(tmp_path / "asked.plan")
    assert saved.label == "asked"
    assert digests == tuple(stage.digest for stage in plan(c.extremes).stages)
    assert [stage.shard for stage in saved.plan.stages] == [stage.shard for stage in plan(c.extremes).stages]


def test_types_are_leaves_with_their_paths(tmp_path: Path) -> None:
    fedjobs.save_plan(c.sum_of_shifted, tmp_path / "sum.plan")
    saved = load(tmp_path / "sum.plan").plan
    shift, values = saved.parameters
    assert (shift.at_clients, [leaf.name for leaf in shift.type], shift.leaves) == (
        False,
        ["value"],
        ("parameter_0/0",),
    )
    assert (values.at_clients, values.type[0].tensor.dtype) == (True, "float32")
    assert [leaf.name for leaf in saved.result_type] == ["value"]
    assert saved.stages[0].merge_kinds == (MergeKind.SUM,)
    assert saved.stages[0].client_inputs == (ClientInput(1, 0),)


def test_reading_needs_no_tensorflow(tmp_path: Path) -> None:
    fedjobs.save_plan(c.extremes, tmp_path / "extremes.plan")
    command = [sys.executable, "-c", LOADS, str(tmp_path / "extremes.plan")]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.split() == ["extremes"]


@pytest.mark.parametrize("content", [None, b"\xff\xff no plan"])
def test_an_invalid_plan_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "other.plan"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FedjobsError, match=r"other\.plan cannot be read.*fedjobs\.save_plan") as raised:
        load(path)
    assert raised.value.code is ErrorCode.PROGRAM_FAILED


def test_a_format_of_another_release_is_refused_with_its_number() -> None:
    with pytest.raises(FedjobsError, match="format 7") as raised:
        parse(plan_pb2.Plan(format=7).SerializeToString())
    assert raised.value.code is ErrorCode.VERSION_MISMATCH
