"""Fetches the shards that a silo is asked to run, verifies them, and decides about them.

A shard is verified once, in this process, before a process with TensorFlow gets it. The runner gets what the verifier
rebuilt.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import astuple

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import OperationRefusedError, Verified, limits, verify

from fedjobs_worker.consent.consents import Computation, Consent, Consents
from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.runner.client import RunnerClient
from fedjobs_worker.sessions.blob_cache import BlobCache

_MOST_SHARDS = 16  # in the cache; a program has only a few
MOST_COMPUTATIONS = 64
"""Different computations of a job that a session looks at."""
MOST_BYTES = 64 << 20
"""The bytes of their shards, which stay in memory with the decisions."""
MOST_SCOPES = 128
"""Different combinations of a computation and datasets of a job that a session looks at. Each has a decision."""

Fetch = Callable[[Download], object]
"""Continues a download until it is complete. Raises SessionEndedError if that needs a new session."""


class ShardRejectedError(FedjobsError):
    """A shard was not accepted. The text comes from the coordinator's request alone, and from no data."""


class Computations:
    """The most recent shards of a job.

    Args:
        blobs: The cache for large shards.
        runner: Gets the shards that were verified and may run.
        consents: Decides about shards.
        allowed: Operations that the silo's policy allows in addition to the allow-list.
    """

    def __init__(
        self, blobs: BlobCache, runner: RunnerClient, consents: Consents, allowed: Collection[str] = ()
    ) -> None:
        self._blobs = blobs
        self._runner = runner
        self._consents = consents
        self._allowed = frozenset(allowed)
        self._shards: dict[Digest, Verified | FedjobsError] = {}
        self._sizes: dict[Digest, int] = {}
        self._scopes: set[Digest] = set()
        self._too_many = False

    def shard(self, blob: pb.Blob, label: str, reads: DataReads, fetch: Fetch) -> shard_pb2.Shard:
        """Returns the shard of a work item. Whether it may run is for `consent` to say.

        Raises:
            ShardRejectedError: It was not verified, or there are too many computations.
            FedjobsError: BLOB_CORRUPT.
        """
        self._check_number(blob, label, reads)
        found = self._got(blob, fetch)
        if isinstance(found, OperationRefusedError):
            return found.shard
        if isinstance(found, FedjobsError):
            self._refused(blob, found, label, reads)
            raise ShardRejectedError(found.code, found.message, found.remedy)
        return found.message

    def consent(self, blob: pb.Blob, label: str, reads: DataReads, fetch: Fetch, offer: str = "") -> Consent:
        """Decides whether a shard may run on these datasets. If it may, loads it into the runner.

        Args:
            blob: The shard.
            label: The coordinator's name for the computation.
            reads: The silo's datasets that it reads.
            fetch: Fetches the shard.
            offer: The scope of the offer, if there is one.

        Raises:
            ShardRejectedError: There are too many computations, or the shard has another number of client inputs.
            FedjobsError: BLOB_CORRUPT.
            RunnerLostError: The runner died.
        """
        self._check_number(blob, label, reads)
        found = self._got(blob, fetch)
        consent = self._decided(blob, found, label, reads, offer)
        if isinstance(found, Verified) and isinstance(consent, Allowed):
            self._runner.load_shard(digests.named(blob.digest), found.serialized)
        return consent

    def still_allowed(self, blob: pb.Blob, label: str, reads: DataReads, fetch: Fetch) -> Consent:
        """Decides again, after a shard has run, whether its result may leave the silo."""
        return self._decided(blob, self._got(blob, fetch), label, reads)

    def _decided(
        self, blob: pb.Blob, found: Verified | FedjobsError, label: str, reads: DataReads, offer: str = ""
    ) -> Consent:
        digest = digests.named(blob.digest)
        if isinstance(found, OperationRefusedError):
            # The policy refuses it, and names all operations that it does not allow.
            return self._consents.of(Computation(digest, found.shard, found.operations, label, reads, offer))
        if isinstance(found, FedjobsError):
            return self._refused(blob, found, label, reads)
        named, needed = (
            (len(reads.inputs), len(reads.kept)),
            (len(found.message.client_inputs), len(found.message.kept_inputs)),
        )
        if named != needed:
            raise ShardRejectedError(
                ErrorCode.SHARD_REFUSED,
                f"the coordinator names datasets for {named[0]} client inputs and {named[1]} kept inputs of '{label}', "
                f"and the shard has {needed[0]} and {needed[1]}.",
                "Use the same release of fedjobs at the coordinator and in the silo.",
            )
        return self._consents.of(Computation(digest, found.message, found.operations, label, reads, offer))

    def _refused(self, blob: pb.Blob, error: FedjobsError, label: str, reads: DataReads) -> Refused:
        refusal, datasets = Refused(error.code.label, error.public), reads.datasets
        return self._consents.refused(digests.named(blob.digest), refusal, label, datasets)

    def _check_number(self, blob: pb.Blob, label: str, reads: DataReads) -> None:
        """Bounds the computations of a session, before anything of a new one is kept."""
        digest, size = digests.named(blob.digest), max(blob.size, len(blob.inline))
        if size > limits.BYTES:
            raise ShardRejectedError(
                ErrorCode.SHARD_REFUSED, f"the shard has {size} bytes.", f"Use at most {limits.BYTES}."
            )
        scope = digests.digest(json.dumps([digest, *astuple(reads)]).encode())  # the datasets can be many
        if scope in self._scopes:
            return
        sizes = self._sizes | {digest: size}
        if len(sizes) <= MOST_COMPUTATIONS and sum(sizes.values()) <= MOST_BYTES and len(self._scopes) < MOST_SCOPES:
            self._sizes = sizes
            self._scopes.add(scope)
            return
        error = ShardRejectedError(
            ErrorCode.SHARD_REFUSED,
            f"the job has more than {MOST_COMPUTATIONS} computations, more than {MOST_BYTES >> 20} MiB of them, or "
            f"more than {MOST_SCOPES} combinations of computations and datasets.",
            "Use the same computations in each round, with changing values as arguments.",
        )
        if not self._too_many:  # one entry in the audit log
            self._too_many = True
            self._refused(blob, error, label, reads)
        raise error

    def _got(self, blob: pb.Blob, fetch: Fetch) -> Verified | FedjobsError:
        """Returns the shard, or why it was not verified."""
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
            self._shards[digest] = self._verified(serialized)
        return self._shards[digest]

    def _verified(self, serialized: bytes) -> Verified | FedjobsError:
        try:
            return verify(serialized, self._allowed)
        except FedjobsError as refused:
            return refused
