"""Caches fetched values and shards in shared memory by digest, so that they are not fetched again."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection

from fedjobs_common.digests import named
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.transfers import Download

from fedjobs_worker.channels import shared_memory

LARGEST = 8 << 30
"""The maximum bytes of a blob, and of all blobs of a work item."""
_KEPT = 64 << 20  # maximum bytes of blobs that the current work does not need


def check_size(size: int) -> None:
    """Checks the announced size of a blob, or of all blobs of a work item, before memory is allocated.

    Raises:
        FedjobsError: BLOB_TOO_LARGE.
    """
    if size > LARGEST:
        raise FedjobsError(
            ErrorCode.BLOB_TOO_LARGE,
            f"The coordinator announced values of {size} bytes, but a silo accepts at most {LARGEST} for a work item.",
            "Send smaller values.",
        )


class BlobCache:
    """Complete and partial blobs from the coordinator.

    The cache keeps all blobs that the current work needs, and the most recently used of the others. The memory of an
    evicted blob is reused, because allocating 100 MB of pages takes longer than copying them.
    """

    def __init__(self) -> None:
        self._blobs: OrderedDict[Digest, tuple[int, Download]] = OrderedDict()
        self._spare: int | None = None

    def make_room(self, needed: Collection[Digest]) -> None:
        """Evicts the oldest blobs that are not needed, until the others have at most 64 MiB."""
        others = [digest for digest in self._blobs if digest not in needed]
        size = sum(self._blobs[digest][1].size for digest in others)
        for digest in others:
            if size <= _KEPT:
                return
            memory, download = self._blobs.pop(digest)
            size -= download.size
            if self._spare is not None:
                os.close(self._spare)
            self._spare = memory

    def get(self, digest: bytes, size: int, fetch: Callable[[Download], object]) -> int:
        """Returns the descriptor of a blob's memory. The cache keeps ownership.

        Args:
            digest: The BLAKE3 digest, 32 bytes.
            size: The size in bytes.
            fetch: Continues a download until it is complete and verified. After a failure, the next call continues it.

        Raises:
            FedjobsError: BLOB_TOO_LARGE.
        """
        check_size(size)
        name = named(digest)
        if name not in self._blobs:
            memory, self._spare = self._spare, None
            memory = shared_memory.create("blob") if memory is None else memory
            os.ftruncate(memory, size)
            self._blobs[name] = memory, Download(digest, size, memory)
        memory, download = self._blobs[name]
        if download.committed != download.size:
            fetch(download)
        self._blobs.move_to_end(name)
        return memory

    def close(self) -> None:
        """Frees all memory."""
        for memory, _ in self._blobs.values():
            os.close(memory)
        self._blobs.clear()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
