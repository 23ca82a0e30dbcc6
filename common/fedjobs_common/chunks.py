"""Files and buffers of any size, in chunks: they take the memory of one chunk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fedjobs_common.errors import ErrorCode, FedjobsError

CHUNK = 1 << 20
"""Bytes. 512 KiB to 2 MiB are equally fast; 4 MiB keep small calls waiting for 50 ms."""


def read_chunks(fd: int, offset: int, size: int) -> Iterator[bytes]:
    """The bytes of a file from `offset` to `size`, in chunks.

    Raises:
        FedjobsError: BLOB_CORRUPT when the file is shorter than `size`.
    """
    while offset < size:
        chunk = os.pread(fd, min(CHUNK, size - offset), offset)
        if not chunk:
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"A stored blob of {size} bytes ends at byte {offset}.")
        yield chunk
        offset += len(chunk)


def view_chunks(data: memoryview, offset: int, size: int) -> Iterator[bytes]:
    """The bytes of a buffer from `offset` to `size`, in chunks; each is copied, because gRPC sends `bytes` alone."""
    while offset < size:
        end = min(offset + CHUNK, size)
        yield bytes(data[offset:end])
        offset = end
