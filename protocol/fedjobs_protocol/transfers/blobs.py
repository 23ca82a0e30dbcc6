"""Blobs on disk: uploads that survive a restart, and sources of downloads.

Both read and write in chunks at an offset, so that a value of any size needs the memory of one chunk only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.files import full_disk_named, write_all_at
from fedjobs_common.ids import Digest

_MARK_BYTES = 8


@dataclass(frozen=True)
class BlobSource:
    """A blob to send: `size` bytes from the start of an open file.

    Attributes:
        fd: The file descriptor. The creator of the source owns it.
        size: The number of bytes.
        released: Called when the transfer has ended and no longer reads from `fd`, also after an interruption.
    """

    fd: int
    size: int
    released: Callable[[], None] | None = None


class Upload:
    """A partial upload to a file. All written bytes are committed. There is no other state.

    After a restart of the process, the committed part is read and hashed again (15 ms for 50 MB). The file is not
    synced to disk. If data are lost in a power failure, the digest does not match and the upload starts over.

    The size of a new file is the number of committed bytes. A spare file from the pool is longer until the upload is
    complete. A small file next to it holds the number of its committed bytes (`<name>.committed`, 8 bytes,
    little-endian).
    """

    def __init__(self, path: Path, size: int, spares: FilePool | None = None) -> None:
        """Opens or creates the file.

        Args:
            path: The file. Its folder must exist.
            size: The size of the complete blob in bytes.
            spares: The pool that provides new files and takes discarded files.
        """
        self.path = path
        self.size = size
        self._spares = spares
        self._hasher = digests.hasher()
        self._committed = 0
        self._mark = -1
        if spares is not None and not path.exists():
            # Write the mark first: without it, the whole content of the spare file would count as committed.
            _mark_path(path).write_bytes(bytes(_MARK_BYTES))
            spares.take(path)
        found = committed_in(path)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _mark_path(path).exists():
                self._mark = os.open(_mark_path(path), os.O_WRONLY | os.O_CLOEXEC)
            self._take_over(found)
        except BaseException:
            self.close()
            raise

    @property
    def committed(self) -> int:
        """The number of bytes that have arrived. The upload continues from here."""
        return self._committed

    @property
    def digest(self) -> Digest:
        """The digest of the bytes that have arrived."""
        return Digest(self._hasher.hexdigest())

    def write(self, chunk: bytes) -> None:
        """Appends the next bytes.

        Raises:
            FedjobsError: BLOB_TOO_LARGE if the upload exceeds `size`; DISK_FULL; WORK_NOT_FOUND after `close`.
        """
        self._check_open()
        end = self._committed + len(chunk)
        if end > self.size:
            raise FedjobsError(ErrorCode.BLOB_TOO_LARGE, f"The upload has more than the announced {self.size} bytes.")
        with full_disk_named(self.path):
            write_all_at(self.fd, chunk, self._committed)
            self._hasher.update(chunk)
            self._commit(end)

    def finish(self, digest: bytes) -> bool:
        """Returns whether the blob is complete and has this digest. If the digest differs, the upload starts over.

        Raises:
            FedjobsError: WORK_NOT_FOUND after `close`.
        """
        self._check_open()
        if self._committed != self.size:
            return False
        if self._hasher.digest() != digest:
            self._start_over()
            return False
        if self._mark >= 0:
            os.ftruncate(self.fd, self.size)
            self._unmark()
        return True

    def close(self) -> None:
        """Closes the file and keeps the data. A second call has no effect."""
        for fd in (self.fd, self._mark):
            if fd >= 0:
                os.close(fd)
        self.fd = self._mark = -1

    def discard(self) -> None:
        """Closes the file, and deletes it or returns it to the pool."""
        self.close()
        if self._spares is not None and self.path.exists():
            self._spares.give(self.path)
        self.path.unlink(missing_ok=True)
        _mark_path(self.path).unlink(missing_ok=True)

    def _check_open(self) -> None:
        if self.fd < 0:  # a call continued to write after its work was dropped
            raise FedjobsError(ErrorCode.WORK_NOT_FOUND, "The uploaded data are not needed any more.")

    def _take_over(self, found: int) -> None:
        if found > self.size:
            self._start_over()
            return
        for chunk in read_chunks(self.fd, 0, found):
            self._hasher.update(chunk)
        self._committed = found

    def _start_over(self) -> None:
        self._hasher = digests.hasher()
        self._commit(0)
        if self._mark < 0:
            os.ftruncate(self.fd, 0)

    def _commit(self, position: int) -> None:
        # The mark is written after the chunk. A process that dies in between loses this chunk only.
        if self._mark >= 0:
            os.pwrite(self._mark, position.to_bytes(_MARK_BYTES, "little"), 0)
        self._committed = position

    def _unmark(self) -> None:
        fd, self._mark = self._mark, -1
        os.close(fd)
        _mark_path(self.path).unlink(missing_ok=True)


def committed_in(path: Path) -> int:
    """Returns the number of committed bytes of an upload without opening it. 0 if the file does not exist."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    try:
        mark = int.from_bytes(_mark_path(path).read_bytes(), "little")
    except FileNotFoundError:
        return size
    return mark if mark <= size else 0


def _mark_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.committed")
