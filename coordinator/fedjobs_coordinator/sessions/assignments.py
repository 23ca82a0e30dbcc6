"""Work that is assigned to silos."""

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
    """The work of a silo in a stage.

    Attributes:
        work: The message for the silo.
        blobs: The blobs that the silo may fetch, by digest.
        accumulators: The types of the accumulators that the silo must send.
        largest: The maximum size of the framed accumulators in bytes.
        outcomes: Receives the outcome.
        number: The number of the invocation since the last durable state.
    """

    silo: SiloName
    work_id: WorkId
    work: pb.Work
    blobs: Mapping[bytes, StoredBlob]
    accumulators: tuple[shard_pb2.Leaf, ...]
    largest: int
    outcomes: RoundOutcomes = field(compare=False)
    number: int = 0
