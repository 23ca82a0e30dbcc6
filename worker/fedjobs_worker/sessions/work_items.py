"""The datasets, blobs and identity of a work item."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.release.texts import LONGEST_NAME

_UNKNOWN_NAMED = 4  # datasets that the silo does not have, in an entry of the audit log


def datasets_of(work: pb.Work) -> list[str]:
    """Returns the silo's datasets that a work item uses."""
    return sorted(set(inputs_of(work)) - {""})


def inputs_of(work: pb.Work) -> tuple[str, ...]:
    """Returns for each client input the silo's dataset that it reads. Empty for a value of the coordinator."""
    return tuple(source.selection.dataset if source.HasField("selection") else "" for source in work.client_inputs)


def recorded_datasets(asked: Collection[str], existing: Collection[str]) -> list[str]:
    """Returns the names of datasets for the audit log: those that exist, and a few of the others."""
    unknown = sorted(name for name in asked if name not in existing)
    named = [printable(name, LONGEST_NAME) for name in unknown[:_UNKNOWN_NAMED]]
    return sorted(name for name in asked if name in existing) + named


def recorded_inputs(inputs: Iterable[str], existing: Collection[str]) -> tuple[str, ...]:
    """Returns the datasets of client inputs, in their order. Names that the silo does not have are bounded."""
    return tuple(name if name in existing else printable(name, LONGEST_NAME) for name in inputs)


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
