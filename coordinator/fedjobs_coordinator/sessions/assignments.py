"""Work given to silos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedjobs_common.ids import SiloName, WorkId
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_coordinator.aggregation.blob_store import StoredBlob
from fedjobs_coordinator.aggregation.outcomes import RoundOutcomes


@dataclass(frozen=True)
class Assignment:
    """One silo's part of one stage.

    Attributes:
        work: What it is told.
        blobs: What it may fetch, by digest.
        accumulators: Types of what it must send.
        largest: Bytes that its accumulators may have at most, framed.
        outcomes: Where the outcome goes.
    """

    silo: SiloName
    work_id: WorkId
    work: pb.Work
    blobs: Mapping[bytes, StoredBlob]
    accumulators: tuple[shard_pb2.Leaf, ...]
    largest: int
    outcomes: RoundOutcomes = field(compare=False)
