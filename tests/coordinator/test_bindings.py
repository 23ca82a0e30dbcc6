"""Arguments of a plan from a file: arrays and references are checked against the plan's types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.plan_files import SavedPlan
from fedjobs_compute.plans import Parameter, Plan
from fedjobs_coordinator.invocations.bindings import SavedPlanBinding
from fedjobs_coordinator.invocations.silo_references import SiloData
from fedjobs_protocol.v1.shard_pb2 import Leaf, Sequence, Tensor

SCALE = Leaf(name="scale", tensor=Tensor(dtype="float32"))
WORDS = Leaf(name="words", tensor=Tensor(dtype="string", shape=[-1]))
DATA = SiloData("digits", 3)


def a_binding(*parameters: Parameter[Any], result: tuple[str, ...] = (), types: tuple[Leaf, ...] = ()) -> Any:
    plan: Plan[Any] = Plan(parameters, server_logic=(), stages=(), result=result, result_type=types)
    return SavedPlanBinding(SavedPlan("counts", plan))


def at_the_coordinator(*leaves: Leaf) -> Parameter[Any]:
    return Parameter(leaves, at_clients=False, leaves=tuple(f"p/{i}" for i in range(len(leaves))), path=())


AT_CLIENTS: Parameter[Any] = Parameter((SCALE,), at_clients=True, leaves=(), path=())


def test_one_tensor_is_an_array_and_a_structure_is_a_mapping() -> None:
    environment, _ = a_binding(at_the_coordinator(SCALE), AT_CLIENTS).bind((2, DATA))
    assert (environment["p/0"].dtype, float(environment["p/0"])) == (np.float32, 2.0)
    environment, _ = a_binding(at_the_coordinator(SCALE, WORDS)).bind(({"words": [b"a"], "scale": 0.5},))
    assert (float(environment["p/0"]), environment["p/1"].tolist()) == (0.5, [b"a"])


@pytest.mark.parametrize(
    ("parameters", "arguments", "named"),
    [
        ([AT_CLIENTS], (), "1 parameters, got 0 arguments"),
        ([AT_CLIENTS], ([1.0],), "placed at CLIENTS, got a list"),
        ([at_the_coordinator(SCALE)], ("one",), "has dtype str.*, expected float32"),
        ([at_the_coordinator(SCALE)], ([1.0, 2.0],), r"has shape \[2\], expected \[\]"),
        ([at_the_coordinator(SCALE, WORDS)], ({"scale": 1},), "has the paths .'scale'., expected .'scale', 'words'."),
        ([at_the_coordinator(Leaf(name="s", sequence=Sequence()))], ([],), "is a sequence"),
    ],
)
def test_a_mismatch_is_named(parameters: list[Parameter[Any]], arguments: tuple[Any, ...], named: str) -> None:
    with pytest.raises(FedjobsError, match=named) as raised:
        a_binding(*parameters).bind(arguments)
    assert raised.value.code is ErrorCode.PROGRAM_FAILED
    assert "'counts'" in raised.value.message


def test_a_result_is_identified_by_its_paths() -> None:
    binding = a_binding(result=("x/1", "x/0"), types=(SCALE, WORDS))
    assert binding.result({"x/0": "of words", "x/1": 7}) == {"scale": 7, "words": "of words"}
