"""Memory that two processes share by a descriptor, so that values never go through pipes.

A memfd has no name that another process could open, and is gone with its last descriptor.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator
from itertools import islice

ALIGNMENT = 64
"""Bytes; what starts at a multiple of it can be used by TensorFlow in place."""
_MOST_BUFFERS = 512  # of one system call; Linux takes 1024


def create(name: str) -> int:
    """A new, empty memfd; `name` shows up in /proc only."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def write(fd: int, buffers: Iterable[memoryview | bytes], offset: int = 0) -> int:
    """Writes the buffers one after the other and ends the memory there.

    The pages of an earlier use are written again rather than given back and asked for anew, which would take as long as
    copying does.

    Returns:
        Where the memory ends: offset + bytes of all buffers.
    """
    position = offset
    for batch in _batches(buffers):
        position += _write_batch(fd, batch, position)
    os.ftruncate(fd, position)
    return position


def seal(fd: int) -> None:
    """From here on nobody, not even who has the descriptor, can change the memory."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def mapped(fd: int) -> mmap.mmap | bytearray:
    """All of the memory; writes to it stay private to this process."""
    size = os.fstat(fd).st_size
    if size == 0:
        return bytearray()  # cannot be mapped
    return mmap.mmap(fd, size, access=mmap.ACCESS_COPY)


def aligned(position: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def _batches(buffers: Iterable[memoryview | bytes]) -> Iterator[list[memoryview]]:
    views = (memoryview(buffer).cast("B") for buffer in buffers)
    nonempty = (view for view in views if view.nbytes)
    while batch := list(islice(nonempty, _MOST_BUFFERS)):
        yield batch


def _write_batch(fd: int, batch: list[memoryview], offset: int) -> int:
    total = sum(view.nbytes for view in batch)
    written = os.pwritev(fd, batch, offset)
    while written < total:  # one call writes 2 GiB at most
        skipped, rest = 0, []
        for view in batch:
            start = max(0, min(view.nbytes, written - skipped))
            skipped += view.nbytes
            if start < view.nbytes:
                rest.append(view[start:])
        written += os.pwritev(fd, rest, offset + written)
    return total
