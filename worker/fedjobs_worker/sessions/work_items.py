"""The datasets, blobs and identity of a work item."""

from __future__ import annotations

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb


def datasets_of(work: pb.Work) -> list[str]:
    """Returns the silo's datasets that a work item uses."""
    return sorted(set(inputs_of(work)) - {""})


def inputs_of(work: pb.Work) -> tuple[str, ...]:
    """Returns for each client input the silo's dataset that it reads. Empty for a value of the coordinator."""
    return tuple(source.selection.dataset if source.HasField("selection") else "" for source in work.client_inputs)


def blobs_of(work: pb.Work) -> list[pb.Blob]:
    """Returns all blobs of a work item, inline or to be fetched."""
    return [work.shard, *work.broadcasts, *(i.values for i in work.client_inputs if i.HasField("values"))]


def asked_by(work: pb.Work) -> Digest:
    """Returns a digest of a work item's content. Two work items with the same digest are a repetition of the same work.

    The `work_id` is not enough, because the coordinator chooses it. The generation and the label do not change what
    runs.
    """
    asked = pb.Work()
    asked.CopyFrom(work)
    asked.ClearField("generation")
    asked.ClearField("label")
    return digests.digest(asked.SerializeToString(deterministic=True))
