"""Values that are too large for memory: framed in files that live as long as somebody refers to them."""

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
    """A folder of blobs. A file lives as long as its `StoredBlob`; then its place is written over by the next.

    Args:
        directory: A folder of its own; what another process left there becomes spare.
        spares: Where files come from, and go.
    """

    def __init__(self, directory: Path, spares: FilePool) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in directory.iterdir():
            spares.give(path)
        self._directory = directory
        self._spares = spares
        # A process that ends gives its files back late: they must not have the names of its successor's.
        own = secrets.token_hex(4)
        self._names = (f"{own}-{number}" for number in itertools.count())

    def writer(self) -> BlobWriter:
        """For a blob whose bytes come one after the other."""
        path = self._directory / next(self._names)
        self._spares.take(path)
        return BlobWriter(path, self._spares)

    def put(self, framed: Frame) -> StoredBlob:
        """Writes a framed value to a blob.

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
        fd: Open for reading as long as this object lives.
        digest: BLAKE3 of the content.
        size: Bytes.
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
    """Writes a blob front to back, hashing it on the way. One that is dropped unfinished gives its file back."""

    def __init__(self, path: Path, spares: FilePool) -> None:
        self._path = path
        self._spares = spares
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._given_up = weakref.finalize(self, _release, self._fd, path, spares)
        self._hasher = digests.hasher()
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends.

        Raises:
            FedjobsError: DISK_FULL.
        """
        with full_disk_named(self._path):
            write_all_at(self._fd, data, self._size)
        self._hasher.update(data)
        self._size += len(data)

    def finish(self) -> StoredBlob:
        """The blob; nothing may be written afterwards."""
        os.ftruncate(self._fd, self._size)
        self._given_up.detach()
        return StoredBlob(self._fd, Digest(self._hasher.hexdigest()), self._size, self._path, self._spares)


class _Mapping(mmap.mmap):
    """The memory of a blob: any view of it keeps the blob, so that its file is not written over."""

    blob: StoredBlob


class StoredArray(np.ndarray[Any, Any]):
    """An array whose data are a file's, read when they are looked at; read-only.

    Attributes:
        blob: The file, framed as a value of this one leaf; None for a view or the result of an operation.
    """

    blob: StoredBlob | None

    def __array_finalize__(self, source: Any) -> None:
        self.blob = None


def stored_array(blob: StoredBlob, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> StoredArray:
    """The array in a blob that frames it alone, `offset` bytes from its start."""
    mapped = _Mapping(blob.fd, blob.size, prot=mmap.PROT_READ)
    mapped.blob = blob
    count = int(np.prod(shape, dtype=np.int64))
    array = np.frombuffer(mapped, dtype, count=count, offset=offset).reshape(shape).view(StoredArray)
    array.blob = blob
    return array


def blob_of(leaf: Any) -> StoredBlob | None:
    """The blob that already frames this very leaf."""
    return leaf.blob if isinstance(leaf, StoredArray) else None
