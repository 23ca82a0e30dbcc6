"""Stores large values in files. A file exists as long as it is referenced."""

from __future__ import annotations

import itertools
import mmap
import os
import secrets
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from fedjobs_common import digests
from fedjobs_common.chunks import CHUNK
from fedjobs_common.file_pool import FilePool
from fedjobs_common.files import full_disk_named, write_all_at
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.values import Frame


class BlobStore:
    """A folder of blobs. When a `StoredBlob` is garbage-collected, its file is reused for the next blob.

    Args:
        directory: A folder for this store only. Files that another process left there become spare files.
        spares: The pool that provides and takes back files.
    """

    def __init__(self, directory: Path, spares: FilePool) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in directory.iterdir():
            spares.give(path)
        self._directory = directory
        self._spares = spares
        # A process that exits may return its files late. They must not have names of its successor's files.
        own = secrets.token_hex(4)
        self._names = (f"{own}-{number}" for number in itertools.count())

    def writer(self) -> BlobWriter:
        """Returns a writer for a new blob."""
        path = self._directory / next(self._names)
        self._spares.take(path)
        return BlobWriter(path, self._spares)

    def put(self, framed: Frame) -> StoredBlob:
        """Writes a framed value to a new blob.

        Raises:
            FedjobsError: DISK_FULL.
        """
        writer = self.writer()
        for buffer in framed.buffers():
            for start in range(0, len(buffer), CHUNK):
                writer.write(buffer[start : start + CHUNK])
        return writer.finish()


class StoredBlob:
    """A content-addressed file.

    Attributes:
        fd: A file descriptor for reading. It is open as long as this object exists.
        digest: BLAKE3 of the content.
        size: The size in bytes.
    """

    def __init__(self, fd: int, digest: Digest, size: int, path: Path, spares: FilePool) -> None:
        self.fd = fd
        self.digest = digest
        self.size = size
        weakref.finalize(self, _release, fd, path, spares)


def _release(fd: int, path: Path, spares: FilePool) -> None:
    os.close(fd)
    if path.exists():
        spares.give(path)


class BlobWriter:
    """Writes and hashes a blob sequentially. An unfinished writer returns its file to the pool."""

    def __init__(self, path: Path, spares: FilePool) -> None:
        self._path = path
        self._spares = spares
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._given_up = weakref.finalize(self, _release, self._fd, path, spares)
        self._hasher = digests.hasher()
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes.

        Raises:
            FedjobsError: DISK_FULL.
        """
        with full_disk_named(self._path):
            write_all_at(self._fd, data, self._size)
        self._hasher.update(data)
        self._size += len(data)

    def finish(self) -> StoredBlob:
        """Returns the blob. The writer cannot be used any more."""
        os.ftruncate(self._fd, self._size)
        self._given_up.detach()
        return StoredBlob(self._fd, Digest(self._hasher.hexdigest()), self._size, self._path, self._spares)


class _Mapping(mmap.mmap):
    """The mapped memory of a blob. Views of it keep the blob alive, so that its file is not reused."""

    blob: StoredBlob


class StoredArray(np.ndarray[Any, Any]):
    """A read-only array that is mapped from a file.

    Attributes:
        blob: The file, which frames this leaf alone. None for views and results of operations.
    """

    blob: StoredBlob | None

    def __array_finalize__(self, source: Any) -> None:
        self.blob = None


def stored_array(blob: StoredBlob, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> StoredArray:
    """Returns the array of a blob that frames it alone. Its data start at `offset`."""
    mapped = _Mapping(blob.fd, blob.size, prot=mmap.PROT_READ)
    mapped.blob = blob
    count = int(np.prod(shape, dtype=np.int64))
    array = np.frombuffer(mapped, dtype, count=count, offset=offset).reshape(shape).view(StoredArray)
    array.blob = blob
    return array


def blob_of(leaf: Any) -> StoredBlob | None:
    """Returns the blob that frames exactly this leaf, if there is one."""
    return leaf.blob if isinstance(leaf, StoredArray) else None
