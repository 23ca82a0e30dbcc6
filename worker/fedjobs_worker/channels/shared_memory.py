"""Memory that two processes share through a file descriptor, so that values are not copied through pipes.

A memfd has no name by which another process could open it. The kernel frees it with its last descriptor.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator
from itertools import islice

ALIGNMENT = 64
"""In bytes. TensorFlow can use arrays in place that start at a multiple of it."""
_MOST_BUFFERS = 512  # in one system call; the limit of Linux is 1024


def create(name: str) -> int:
    """Creates an empty memfd. `name` only appears in /proc."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def write(fd: int, buffers: Iterable[memoryview | bytes], offset: int = 0) -> int:
    """Writes the buffers one after the other, and truncates the memory after them.

    Reuses the pages of an earlier use. Freeing and allocating them again would take as long as copying.

    Returns:
        The new size of the memory: the offset plus the size of all buffers.
    """
    position = offset
    for batch in _batches(buffers):
        position += _write_batch(fd, batch, position)
    os.ftruncate(fd, position)
    return position


def seal(fd: int) -> None:
    """Makes the memory immutable, even for processes that have the descriptor."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def mapped(fd: int) -> mmap.mmap | bytearray:
    """Maps the whole memory. Writes are private to this process."""
    size = os.fstat(fd).st_size
    if size == 0:
        return bytearray()  # empty memory cannot be mapped
    return mmap.mmap(fd, size, access=mmap.ACCESS_COPY)


def aligned(position: int) -> int:
    """Rounds up to the next multiple of ALIGNMENT."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def _batches(buffers: Iterable[memoryview | bytes]) -> Iterator[list[memoryview]]:
    views = (memoryview(buffer).cast("B") for buffer in buffers)
    nonempty = (view for view in views if view.nbytes)
    while batch := list(islice(nonempty, _MOST_BUFFERS)):
        yield batch


def _write_batch(fd: int, batch: list[memoryview], offset: int) -> int:
    total = sum(view.nbytes for view in batch)
    written = os.pwritev(fd, batch, offset)
    while written < total:  # one call writes at most 2 GiB
        skipped, rest = 0, []
        for view in batch:
            start = max(0, min(view.nbytes, written - skipped))
            skipped += view.nbytes
            if start < view.nbytes:
                rest.append(view[start:])
        written += os.pwritev(fd, rest, offset + written)
    return total
