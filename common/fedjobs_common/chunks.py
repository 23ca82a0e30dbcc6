"""Reads files and buffers of any size in chunks, so that they need the memory of one chunk only."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fedjobs_common.errors import ErrorCode, FedjobsError

CHUNK = 1 << 20
"""Size of a chunk in bytes. 512 KiB to 2 MiB are equally fast. Chunks of 4 MiB delay small calls by 50 ms."""


def read_chunks(fd: int, offset: int, size: int) -> Iterator[bytes]:
    """Yields the bytes of a file from `offset` to `size`, in chunks.

    Raises:
        FedjobsError: BLOB_CORRUPT if the file is shorter than `size`.
    """
    while offset < size:
        chunk = os.pread(fd, min(CHUNK, size - offset), offset)
        if not chunk:
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"A stored blob of {size} bytes has only {offset} bytes.")
        yield chunk
        offset += len(chunk)


def view_chunks(data: memoryview, offset: int, size: int) -> Iterator[bytes]:
    """Yields the bytes of a buffer from `offset` to `size`, in chunks. Each is a copy, because gRPC needs `bytes`."""
    while offset < size:
        end = min(offset + CHUNK, size)
        yield bytes(data[offset:end])
        offset = end
