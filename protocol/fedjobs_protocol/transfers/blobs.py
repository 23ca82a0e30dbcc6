"""Blobs on disk: uploads that survive a restart, and downloads in chunks.

Both are plain reads and writes at an offset, so that a value of any size takes the memory of one chunk.
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
    """A file that grows, of which a part may have arrived. What has been written is committed: there is no other state.

    After a restart of the process the committed part is read and hashed again (15 ms for 50 MB). It is not synced to
    the disk: after a loss of power the digest tells, and the upload starts again.

    A new file has arrived as far as it is long. A spare file is longer until the upload is finished; how far it has
    arrived stands in a small file beside it (`<name>.committed`, 8 bytes, little-endian).
    """

    def __init__(self, path: Path, size: int, spares: FilePool | None = None) -> None:
        """Opens the file, or makes it.

        Args:
            path: In an existing folder.
            size: Bytes of the whole blob.
            spares: Where a new file is taken from, and where `discard` puts it.
        """
        self.path = path
        self.size = size
        self._spares = spares
        self._hasher = digests.hasher()
        self._committed = 0
        self._mark = -1
        if spares is not None and not path.exists():
            # The mark comes first: with the file alone, all that is in it would count as arrived.
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
        """Bytes that have arrived; the upload goes on from here."""
        return self._committed

    @property
    def digest(self) -> Digest:
        """Of the bytes that have arrived."""
        return Digest(self._hasher.hexdigest())

    def write(self, chunk: bytes) -> None:
        """Appends the next bytes.

        Raises:
            FedjobsError: BLOB_TOO_LARGE when there would be more than `size`; DISK_FULL; WORK_UNKNOWN after `close`.
        """
        self._check_open()
        end = self._committed + len(chunk)
        if end > self.size:
            raise FedjobsError(
                ErrorCode.BLOB_TOO_LARGE, f"The upload has more than the {self.size} bytes that it announced."
            )
        with full_disk_named(self.path):
            write_all_at(self.fd, chunk, self._committed)
            self._hasher.update(chunk)
            self._commit(end)

    def finish(self, digest: bytes) -> bool:
        """Whether the whole blob has arrived and is the one of this digest; if it is another, nothing of it is kept.

        Raises:
            FedjobsError: WORK_UNKNOWN after `close`.
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
        """Closes the file; what has arrived stays. Does nothing the second time."""
        for fd in (self.fd, self._mark):
            if fd >= 0:
                os.close(fd)
        self.fd = self._mark = -1

    def discard(self) -> None:
        """Closes the file, and removes it or makes it a spare one."""
        self.close()
        if self._spares is not None and self.path.exists():
            self._spares.give(self.path)
        self.path.unlink(missing_ok=True)
        _mark_path(self.path).unlink(missing_ok=True)

    def _check_open(self) -> None:
        if self.fd < 0:  # who had it open wrote on while its work was given up
            raise FedjobsError(ErrorCode.WORK_UNKNOWN, "What is uploaded is not wanted any more.")

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
        # The mark is written after the chunk: a process that dies in between loses that chunk.
        if self._mark >= 0:
            os.pwrite(self._mark, position.to_bytes(_MARK_BYTES, "little"), 0)
        self._committed = position

    def _unmark(self) -> None:
        fd, self._mark = self._mark, -1
        os.close(fd)
        _mark_path(self.path).unlink(missing_ok=True)


def committed_in(path: Path) -> int:
    """Bytes of an upload that have arrived, without opening it; 0 when there is no such file."""
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
