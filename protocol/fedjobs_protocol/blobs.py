"""Blobs on disk: uploads that survive a restart, and downloads in chunks.

Both are plain reads and writes at an offset, so that a value of any size takes the memory of one chunk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fedjobs_protocol import digests
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.files import full_disk_named, write_all_at

CHUNK = 1 << 20
"""Bytes. 512 KiB to 2 MiB are equally fast; 4 MiB keep small calls waiting for 50 ms."""


@dataclass(frozen=True)
class BlobSource:
    """A blob to be sent: `size` bytes from the start of an open file.

    Attributes:
        fd: Stays the property of who made the source.
        size: Bytes.
        released: Called once nobody reads from `fd` for this transfer any more, also after a cut.
    """

    fd: int
    size: int
    released: Callable[[], None] | None = None


class Upload:
    """An append-only file of which a part may have arrived. What has been written is committed: there is no other state.

    After a restart of the process the committed part is read and hashed again (15 ms for 50 MB). It is not synced to the disk:
    after a loss of power the digest tells, and the upload starts again.
    """

    def __init__(self, path: Path, size: int) -> None:
        """Opens the file, or makes it.

        Args:
            path: In an existing folder.
            size: Bytes of the whole blob.
        """
        self.path = path
        self.size = size
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._hasher = digests.hasher()
        self._committed = 0
        try:
            self._take_over()
        except BaseException:
            self.close()
            raise

    @property
    def committed(self) -> int:
        """Bytes that have arrived; the upload goes on from here."""
        return self._committed

    @property
    def digest(self) -> digests.Digest:
        """Of the bytes that have arrived."""
        return digests.Digest(self._hasher.hexdigest())

    def write(self, chunk: bytes) -> None:
        """Appends the next bytes.

        Raises:
            FedjobsError: BLOB_TOO_LARGE when there would be more than `size`; DISK_FULL.
        """
        end = self._committed + len(chunk)
        if end > self.size:
            raise FedjobsError(
                ErrorCode.BLOB_TOO_LARGE, f"The upload has more than the {self.size} bytes that it announced."
            )
        with full_disk_named(self.path):
            write_all_at(self.fd, chunk, self._committed)
        self._hasher.update(chunk)
        self._committed = end

    def finish(self, digest: bytes) -> bool:
        """Whether the whole blob has arrived, and is the one of this digest. If it is another, nothing of it is kept."""
        if self._committed != self.size:
            return False
        if self._hasher.digest() == digest:
            return True
        self._start_over()
        return False

    def close(self) -> None:
        """Closes the file; what has arrived stays. Does nothing the second time."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Closes and removes the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _take_over(self) -> None:
        found = os.fstat(self.fd).st_size
        if found > self.size:
            self._start_over()
            return
        for chunk in read_chunks(self.fd, 0, found):
            self._hasher.update(chunk)
        self._committed = found

    def _start_over(self) -> None:
        os.ftruncate(self.fd, 0)
        self._hasher = digests.hasher()
        self._committed = 0


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


def view_chunks(data: memoryview, offset: int) -> Iterator[bytes]:
    """The bytes of a buffer from `offset` on, in chunks; each is copied, because gRPC sends nothing but `bytes`."""
    while offset < len(data):
        chunk = bytes(data[offset : offset + CHUNK])
        yield chunk
        offset += len(chunk)
