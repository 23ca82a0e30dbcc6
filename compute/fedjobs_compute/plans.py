"""A plan: what the coordinator and the silos do for one computation, in order.

    before server logic -> stage (broadcast, shards in the silos, merge, report) -> server logic -> result

Values at the coordinator are leaves with names; a program says which it takes and which it makes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import shard_pb2

Type = TypeVar("Type")  # TFF's type of the computation; a plan does not look into it


class MergeKind(enum.Enum):
    """How one leaf of two accumulators is merged, where that can be read off the graph.

    Such leaves are merged block by block without TensorFlow, so that no accumulator need be in memory.
    """

    SUM = "sum"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True)
class CoordinatorProgram:
    """A program at the coordinator, and the names of the leaves that it takes and makes."""

    program: shard_pb2.Program
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class ClientInput:
    """A leaf of one of the plan's parameters that is placed at the clients."""

    parameter: int
    leaf: int


@dataclass(frozen=True)
class Stage:
    """One exchange with each silo of the cohort.

    Attributes:
        shard: Serialized.
        digest: Of the shard: its identity.
        broadcasts: Names of the coordinator's leaves that go down, in the order of the shard's broadcasts.
        client_inputs: Where each of the shard's client inputs is from.
        accumulators: Types of what comes up.
        left: Names that the merge and the report know the (first) accumulator's leaves by.
        right: Names that the merge knows the second accumulator's leaves by.
        merge_kinds: One for each accumulator's leaf; None where only the merge program knows.
        merge: From two accumulators to one.
        report: From the merged accumulators to the results of the aggregations.
        zero: The accumulators of no client at all.
    """

    shard: bytes
    digest: Digest
    broadcasts: tuple[str, ...]
    client_inputs: tuple[ClientInput, ...]
    accumulators: tuple[shard_pb2.Leaf, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    merge_kinds: tuple[MergeKind | None, ...]
    merge: CoordinatorProgram
    report: CoordinatorProgram
    zero: CoordinatorProgram


@dataclass(frozen=True)
class Parameter(Generic[Type]):
    """One federated or unplaced part of the computation's parameter.

    Attributes:
        type: Its TFF type.
        at_clients: Its values are in the silos, one for each client.
        leaves: Names of its leaves at the coordinator; empty where it is at the clients.
        path: Where it stands in the computation's parameter: positions, outermost first.
    """

    type: Type
    at_clients: bool
    leaves: tuple[str, ...]
    path: tuple[int, ...]


@dataclass(frozen=True)
class Plan(Generic[Type]):
    """How one computation is run.

    Attributes:
        parameters: In the order of the computation's parameter.
        server_logic: What the coordinator computes before the first stage, and after each.
        stages: One fewer than the server logic.
        result: Names of the leaves of the result, in the order of its type.
        result_type: TFF's.
    """

    parameters: tuple[Parameter[Type], ...]
    server_logic: tuple[CoordinatorProgram, ...]
    stages: tuple[Stage, ...]
    result: tuple[str, ...]
    result_type: Type
