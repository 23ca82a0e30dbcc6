"""Reads and writes plan files. A saved plan runs without TensorFlow Federated.

`fedjobs.save_plan` writes a plan file. Reading it needs only protobuf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import plan_pb2 as pb
from fedjobs_protocol.v1.shard_pb2 import Leaf, Shard
from google.protobuf.message import DecodeError

from fedjobs_compute.plans import ClientInput, CoordinatorProgram, KeptInput, MergeKind, Parameter, Plan, Stage

FORMAT = 1
Leaves: TypeAlias = tuple[Leaf, ...]
"""A flat type: its leaves in order, each named by its path."""

_KINDS: dict[MergeKind | None, pb.MergeKind.ValueType] = {
    None: pb.MERGE_KIND_UNSPECIFIED,
    MergeKind.SUM: pb.MERGE_KIND_SUM,
    MergeKind.MINIMUM: pb.MERGE_KIND_MINIMUM,
    MergeKind.MAXIMUM: pb.MERGE_KIND_MAXIMUM,
}
_KINDS_READ = {number: kind for kind, number in _KINDS.items()}


@dataclass(frozen=True)
class SavedPlan:
    """A plan whose types are flat.

    Attributes:
        label: The name of the computation, for people.
        plan: The plan.
    """

    label: str
    plan: Plan[Leaves]


def load(path: Path) -> SavedPlan:
    """Reads a plan file.

    Raises:
        FedjobsError: PROGRAM_FAILED if the file cannot be read or is not a plan; VERSION_MISMATCH for another format.
    """
    try:
        return parse(path.read_bytes())
    except (OSError, DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a plan file"
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED, f"the plan {path} cannot be read: {reason}.", "Write it with fedjobs.save_plan."
        ) from error


def parse(content: bytes) -> SavedPlan:
    """Parses the content of a plan file. The inverse of `serialize`.

    Raises:
        DecodeError: The content is not a plan.
        FedjobsError: VERSION_MISMATCH for an unsupported format.
    """
    message = pb.Plan.FromString(content)
    if message.format != FORMAT:
        raise FedjobsError(
            ErrorCode.VERSION_MISMATCH,
            f"the plan has format {message.format}, and this release supports format {FORMAT}.",
            "Write the plan again with fedjobs.save_plan of the coordinator's release.",
        )
    plan = Plan(
        parameters=tuple(
            Parameter(tuple(p.types), p.at_clients, tuple(p.leaves), tuple(p.path)) for p in message.parameters
        ),
        server_logic=tuple(map(_read_program, message.server_logic)),
        stages=tuple(map(_read_stage, message.stages)),
        result=tuple(message.result),
        result_type=tuple(message.result_types),
    )
    return SavedPlan(message.label, plan)


def serialize(saved: SavedPlan) -> bytes:
    """Returns the content of a plan file. Equal plans give equal bytes."""
    plan = saved.plan
    message = pb.Plan(
        format=FORMAT,
        label=saved.label,
        parameters=[
            pb.PlanParameter(types=p.type, at_clients=p.at_clients, leaves=p.leaves, path=p.path)
            for p in plan.parameters
        ],
        server_logic=[_program(program) for program in plan.server_logic],
        stages=[_stage(stage) for stage in plan.stages],
        result=plan.result,
        result_types=plan.result_type,
    )
    return message.SerializeToString(deterministic=True)


def _program(program: CoordinatorProgram) -> pb.CoordinatorProgram:
    return pb.CoordinatorProgram(program=program.program, inputs=program.inputs, outputs=program.outputs)


def _read_program(message: pb.CoordinatorProgram) -> CoordinatorProgram:
    return CoordinatorProgram(message.program, tuple(message.inputs), tuple(message.outputs))


def _stage(stage: Stage) -> pb.Stage:
    return pb.Stage(
        shard=stage.shard,
        broadcasts=stage.broadcasts,
        client_inputs=[pb.PlanClientInput(parameter=c.parameter, leaf=c.leaf) for c in stage.client_inputs],
        kept_inputs=[pb.PlanKeptInput(stage=k.stage, output=k.output) for k in stage.kept_inputs],
        accumulators=stage.accumulators,
        left=stage.left,
        right=stage.right,
        merge_kinds=[_KINDS[kind] for kind in stage.merge_kinds],
        merge=_program(stage.merge),
        report=_program(stage.report),
        zero=_program(stage.zero),
    )


def _read_stage(message: pb.Stage) -> Stage:
    return Stage(
        shard=message.shard,
        digest=digest(message.shard),
        broadcasts=tuple(message.broadcasts),
        client_inputs=tuple(ClientInput(c.parameter, c.leaf) for c in message.client_inputs),
        kept_inputs=tuple(KeptInput(k.stage, k.output) for k in message.kept_inputs),
        kept_outputs=tuple(Shard.FromString(message.shard).kept_outputs),
        accumulators=tuple(message.accumulators),
        left=tuple(message.left),
        right=tuple(message.right),
        merge_kinds=_read_kinds(message.merge_kinds),
        merge=_read_program(message.merge),
        report=_read_program(message.report),
        zero=_read_program(message.zero),
    )


def _read_kinds(numbers: Sequence[pb.MergeKind.ValueType]) -> tuple[MergeKind | None, ...]:
    return tuple(_KINDS_READ.get(number) for number in numbers)
