"""What a work item brings along, and asks for."""

from __future__ import annotations

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb


def datasets_of(work: pb.Work) -> list[str]:
    """Which of the silo's own data a work item asks for."""
    return sorted({source.selection.dataset for source in work.client_inputs if source.HasField("selection")})


def blobs_of(work: pb.Work) -> list[pb.Blob]:
    """All that comes with a work item, or is to be fetched for it."""
    return [work.shard, *work.broadcasts, *(i.values for i in work.client_inputs if i.HasField("values"))]


def asked_by(work: pb.Work) -> Digest:
    """The digest of all that a work item asks for: two of one digest are the same work, done again.

    Its `work_id` alone does not say so: the coordinator chooses it. Epoch and label change nothing of what is run.
    """
    asked = pb.Work()
    asked.CopyFrom(work)
    asked.ClearField("epoch")
    asked.ClearField("label")
    return digests.digest(asked.SerializeToString(deterministic=True))
