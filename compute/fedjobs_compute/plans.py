"""The plan of a computation: what the coordinator and the silos run, in order.

    server logic -> stage (broadcast, shards in the silos, merge, report) -> server logic -> stage -> ... -> result

All stages of one call of the computation run over the same clients of the same silos. A stage can keep values of each
client in the silo for later stages.

Values at the coordinator are named leaves. Each program names its inputs and outputs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import shard_pb2

Type = TypeVar("Type")  # the computation's TFF type, opaque to the plan


class MergeKind(enum.Enum):
    """How a leaf of two accumulators is merged, if the planner can tell it from the graph.

    Such leaves are merged in blocks without TensorFlow, so that whole accumulators need not be in memory.
    """

    SUM = "sum"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True)
class CoordinatorProgram:
    """A program at the coordinator, and the names of its input and output leaves."""

    program: shard_pb2.Program
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class ClientInput:
    """A leaf of a plan parameter that is placed at CLIENTS."""

    parameter: int
    leaf: int


@dataclass(frozen=True)
class KeptInput:
    """A value of each client that an earlier stage of the same invocation has kept in the silo.

    Attributes:
        stage: The number of the earlier stage.
        output: The number of the value in the kept outputs of that stage's shard.
    """

    stage: int
    output: int


@dataclass(frozen=True)
class Stage:
    """One exchange with each silo of the cohort.

    Attributes:
        shard: The serialized shard.
        digest: The digest of the shard, which identifies it.
        broadcasts: Names of the coordinator's leaves that are broadcast, in the order of the shard's broadcasts.
        client_inputs: The source of each client input of the shard.
        kept_inputs: The source of each kept input of the shard.
        kept_outputs: The types of the values that the shard keeps in the silo for later stages.
        accumulators: The types of the accumulators' leaves.
        left: Names of the first accumulators' leaves in `merge` and `report`.
        right: Names of the second accumulators' leaves in `merge`.
        merge_kinds: The merge kind of each leaf of the accumulators. None if only `merge` can merge it.
        merge: Merges two accumulators to one.
        report: Computes the results of the aggregations from the merged accumulators.
        zero: Computes the accumulators of zero clients.
    """

    shard: bytes
    digest: Digest
    broadcasts: tuple[str, ...]
    client_inputs: tuple[ClientInput, ...]
    kept_inputs: tuple[KeptInput, ...]
    kept_outputs: tuple[shard_pb2.Leaf, ...]
    accumulators: tuple[shard_pb2.Leaf, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    merge_kinds: tuple[MergeKind | None, ...]
    merge: CoordinatorProgram
    report: CoordinatorProgram
    zero: CoordinatorProgram


@dataclass(frozen=True)
class Parameter(Generic[Type]):
    """A federated or unplaced part of the computation's parameter.

    Attributes:
        type: The TFF type.
        at_clients: Whether its values are in the silos, one for each client.
        leaves: Names of its leaves at the coordinator. Empty if it is placed at CLIENTS.
        path: Its position in the computation's parameter: indices, outermost first.
    """

    type: Type
    at_clients: bool
    leaves: tuple[str, ...]
    path: tuple[int, ...]


@dataclass(frozen=True)
class Plan(Generic[Type]):
    """The plan of a computation.

    Attributes:
        parameters: The parts of the computation's parameter, in order.
        server_logic: The coordinator's programs before the first stage and after each stage.
        stages: The stages, one fewer than `server_logic`.
        result: Names of the leaves of the result, in the order of its type.
        result_type: The TFF type of the result.
    """

    parameters: tuple[Parameter[Type], ...]
    server_logic: tuple[CoordinatorProgram, ...]
    stages: tuple[Stage, ...]
    result: tuple[str, ...]
    result_type: Type
