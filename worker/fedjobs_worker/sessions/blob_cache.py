"""Fetched values and shards in shared memory, by their digests, so that nothing is sent twice that is still here."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection

from fedjobs_common.digests import named
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.transfers import Download

from fedjobs_worker.channels import shared_memory

_KEPT = 64 << 20  # bytes of values that the current work does not need


class BlobCache:
    """Blobs that came from the coordinator, whole or on their way.

    What the current work needs stays in any case; of the rest, what was used last. Memory that is given up is written
    anew for the next blob: asking the kernel for 100 MB of pages takes longer than copying them.
    """

    def __init__(self) -> None:
        self._blobs: OrderedDict[Digest, tuple[int, Download]] = OrderedDict()
        self._spare: int | None = None

    def make_room(self, needed: Collection[Digest]) -> None:
        """Gives up the oldest of what is not needed, down to 64 MiB."""
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
        """The descriptor of a blob's memory; stays the cache's.

        Args:
            digest: BLAKE3, 32 bytes.
            size: Bytes.
            fetch: Goes on with a download until it is whole and verified; one that failed is gone on with next time.
        """
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
