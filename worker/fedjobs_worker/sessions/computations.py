"""The shards that a silo was asked to run: fetched, checked against their digests, and decided about."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from google.protobuf.message import DecodeError

from fedjobs_worker.consent.consents import Computation, Consent, Consents
from fedjobs_worker.runner.client import RunnerClient
from fedjobs_worker.sessions.blob_cache import BlobCache

_MOST_SHARDS = 16  # remembered; a program has a handful

Fetch = Callable[[Download], object]
"""Goes on with a download until it is whole; raises SessionEndedError where that needs another session."""


class Computations:
    """The last shards of one job.

    Args:
        blobs: Where large ones are fetched to.
        runner: Lists the operations of a shard, without running any.
        consents: What the silo says to them.
    """

    def __init__(self, blobs: BlobCache, runner: RunnerClient, consents: Consents) -> None:
        self._blobs = blobs
        self._runner = runner
        self._consents = consents
        self._shards: dict[Digest, tuple[shard_pb2.Shard, bytes]] = {}

    def shard(self, blob: pb.Blob, fetch: Fetch) -> shard_pb2.Shard:
        """The shard of a work item.

        Raises:
            FedjobsError: BLOB_CORRUPT, SHARD_FAILED where it is none.
        """
        return self._got(blob, fetch)[0]

    def consent(self, blob: pb.Blob, label: str, datasets: Collection[str], fetch: Fetch) -> Consent:
        """What the silo says to running it; afterwards the runner has it.

        Raises:
            FedjobsError: BLOB_CORRUPT, SHARD_FAILED where it is none.
            RunnerLostError: The runner died.
        """
        shard, serialized = self._got(blob, fetch)
        digest = digests.named(blob.digest)
        operations = self._runner.operations(digest, serialized)
        return self._consents.of(Computation(digest, shard, operations, label, tuple(sorted(datasets))))

    def _got(self, blob: pb.Blob, fetch: Fetch) -> tuple[shard_pb2.Shard, bytes]:
        """As message, and as the bytes that the digest is of."""
        digest = digests.named(blob.digest)
        if digest not in self._shards:
            serialized = blob.inline
            if not blob.HasField("inline"):
                serialized = os.pread(self._blobs.get(blob.digest, blob.size, fetch), blob.size, 0)
            # The digest is what the silo's decisions are recorded under, so it is never taken on trust.
            if digests.digest(serialized) != digest:
                raise FedjobsError(ErrorCode.BLOB_CORRUPT, "the shard that came has another digest than was announced.")
            while len(self._shards) >= _MOST_SHARDS:
                del self._shards[next(iter(self._shards))]
            self._shards[digest] = _parsed(serialized), serialized
        return self._shards[digest]


def _parsed(serialized: bytes) -> shard_pb2.Shard:
    try:
        return shard_pb2.Shard.FromString(serialized)
    except DecodeError as error:
        raise FedjobsError(ErrorCode.SHARD_FAILED, "the bytes received are not a shard.") from error
