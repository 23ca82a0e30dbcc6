"""The datasets, blobs and identity of a work item."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.release.texts import LONGEST_NAME

_UNKNOWN_NAMED = 4  # datasets that the silo does not have, in an entry of the audit log


def reads_of_offer(offered: pb.OfferedShard, existing: Collection[str]) -> DataReads:
    """Returns what an offered shard will read, as the coordinator says. Names that the silo does not have are bounded.

    Args:
        offered: The offer.
        existing: The names of the silo's datasets.
    """
    kept = tuple(_bounded(each.datasets, existing) for each in offered.kept)
    return DataReads(_bounded(offered.datasets, existing), _bounded([offered.clients], existing)[0], kept)


def reads_of_work(work: pb.Work, kept: tuple[tuple[str, ...], ...], existing: Collection[str]) -> DataReads:
    """Returns what a work item reads. Names that the silo does not have are bounded.

    Args:
        work: The work item.
        kept: For each kept input, the datasets from which this silo computed the value that it has kept.
        existing: The names of the silo's datasets.
    """
    inputs = [source.selection.dataset if source.HasField("selection") else "" for source in work.client_inputs]
    return DataReads(_bounded(inputs, existing), _bounded([work.clients.selection.dataset], existing)[0], kept)


def _bounded(names: Iterable[str], existing: Collection[str]) -> tuple[str, ...]:
    return tuple(name if name in existing else printable(name, LONGEST_NAME) for name in names)


def recorded_datasets(asked: Collection[str], existing: Collection[str]) -> list[str]:
    """Returns the names of datasets for the audit log: those that exist, and a few of the others."""
    unknown = sorted(name for name in asked if name not in existing)
    named = [printable(name, LONGEST_NAME) for name in unknown[:_UNKNOWN_NAMED]]
    return sorted(name for name in asked if name in existing) + named


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
