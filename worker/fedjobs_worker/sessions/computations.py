"""Fetches the shards that a silo is asked to run, verifies their digests, and decides about them."""

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

_MOST_SHARDS = 16  # in the cache; a program has only a few

Fetch = Callable[[Download], object]
"""Continues a download until it is complete. Raises SessionEndedError if that needs a new session."""


class Computations:
    """The most recent shards of a job.

    Args:
        blobs: The cache for large shards.
        runner: Lists the operations of a shard without running it.
        consents: Decides about shards.
    """

    def __init__(self, blobs: BlobCache, runner: RunnerClient, consents: Consents) -> None:
        self._blobs = blobs
        self._runner = runner
        self._consents = consents
        self._shards: dict[Digest, tuple[shard_pb2.Shard, bytes]] = {}

    def shard(self, blob: pb.Blob, fetch: Fetch) -> shard_pb2.Shard:
        """Returns the shard of a work item.

        Raises:
            FedjobsError: BLOB_CORRUPT, or SHARD_FAILED if it is not a shard.
        """
        return self._got(blob, fetch)[0]

    def consent(self, blob: pb.Blob, label: str, datasets: Collection[str], fetch: Fetch) -> Consent:
        """Decides whether a shard may run, and loads it into the runner.

        Raises:
            FedjobsError: BLOB_CORRUPT, or SHARD_FAILED if it is not a shard.
            RunnerLostError: The runner died.
        """
        shard, serialized = self._got(blob, fetch)
        digest = digests.named(blob.digest)
        operations = self._runner.operations(digest, serialized)
        return self._consents.of(Computation(digest, shard, operations, label, tuple(sorted(datasets))))

    def _got(self, blob: pb.Blob, fetch: Fetch) -> tuple[shard_pb2.Shard, bytes]:
        """Returns the shard as a message and as bytes."""
        digest = digests.named(blob.digest)
        if digest not in self._shards:
            serialized = blob.inline
            if not blob.HasField("inline"):
                serialized = os.pread(self._blobs.get(blob.digest, blob.size, fetch), blob.size, 0)
            # The silo records its decisions under the digest, so it always verifies it.
            if digests.digest(serialized) != digest:
                raise FedjobsError(ErrorCode.BLOB_CORRUPT, "the received shard does not have the announced digest.")
            while len(self._shards) >= _MOST_SHARDS:
                del self._shards[next(iter(self._shards))]
            self._shards[digest] = _parsed(serialized), serialized
        return self._shards[digest]


def _parsed(serialized: bytes) -> shard_pb2.Shard:
    try:
        return shard_pb2.Shard.FromString(serialized)
    except DecodeError as error:
        raise FedjobsError(ErrorCode.SHARD_FAILED, "the received bytes are not a shard.") from error
