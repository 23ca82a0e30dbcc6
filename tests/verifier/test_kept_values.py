"""The values that a shard keeps in the silo, or reads again, have the types that it declares."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import limits, verify

from tests.worker.shard_builders import sequence, shard, tensor

EXAMPLES = sequence(**{"": tensor("float32", 2)})
KEPT = shard_pb2.KeptInput(type=tensor("float32"), shard=b"k" * 32, output=3)
HONEST = shard(
    [], [], lambda value: [value, value * 2.0], kept_inputs=[KEPT], kept_outputs=[tensor("float32", name="doubled")]
)


def test_an_honest_shard_is_rebuilt_with_its_kept_values() -> None:
    assert verify(HONEST).serialized == HONEST


CASES: dict[str, tuple[Callable[[shard_pb2.Shard], object], str]] = {
    "another type of an input": (lambda s: s.kept_inputs[0].type.CopyFrom(tensor("int32")), "data type"),
    "a dataset as a tensor": (lambda s: s.kept_inputs[0].type.CopyFrom(EXAMPLES), "data type"),
    "an input without a type": (lambda s: s.kept_inputs[0].ClearField("type"), "no type"),
    "an input without a shard": (lambda s: s.kept_inputs[0].ClearField("shard"), "does not name the shard"),
    "a long digest": (lambda s: setattr(s.kept_inputs[0], "shard", b"k" * 33), "does not name the shard"),
    "a large number": (lambda s: setattr(s.kept_inputs[0], "output", limits.LEAVES), "does not name the shard"),
    "one input more": (lambda s: s.kept_inputs.append(KEPT), "inputs instead of"),
    "no inputs": (lambda s: s.ClearField("kept_inputs"), "inputs instead of"),
    "another type of an output": (lambda s: s.kept_outputs[0].CopyFrom(tensor("int32")), "is declared"),
    "an output that is a dataset": (lambda s: s.kept_outputs[0].CopyFrom(EXAMPLES), "is declared"),
    "all outputs of work": (lambda s: s.kept_outputs.append(tensor("float32")), "inputs instead of"),
    "more outputs than work has": (lambda s: s.kept_outputs.extend([tensor("float32")] * 2), "is to keep 3"),
    "no outputs": (lambda s: s.ClearField("kept_outputs"), "inputs instead of"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_false_declaration_is_refused(case: str) -> None:
    change, reason = CASES[case]
    message = shard_pb2.Shard.FromString(HONEST)
    change(message)
    with pytest.raises(FedjobsError, match=reason) as raised:
        verify(message.SerializeToString(deterministic=True))
    assert raised.value.code is ErrorCode.SHARD_REFUSED


def test_too_many_values_are_refused() -> None:
    message = shard_pb2.Shard.FromString(HONEST)
    message.kept_inputs.extend([KEPT] * limits.LEAVES)
    with pytest.raises(FedjobsError, match=f"at most {limits.LEAVES}"):
        verify(message.SerializeToString(deterministic=True))
