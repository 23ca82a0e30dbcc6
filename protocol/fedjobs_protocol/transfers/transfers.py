"""The silo's side of transfers: the state of downloads and uploads, and cancelling calls without progress."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks, view_chunks
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import full_disk_named, write_all_at

Sink = Callable[[bytes], object] | int
"""A function that is called with each chunk in order, or a descriptor that is written from offset 0."""

_STALLED_S = 60.0


class Download:
    """The state of a download. It survives interruptions and the end of a session.

    Args:
        digest: BLAKE3 of the blob, 32 bytes.
        size: The size of the blob in bytes.
        into: The destination of the chunks.
    """

    def __init__(self, digest: bytes, size: int, into: Sink) -> None:
        self.digest = digest
        self.size = size
        self._into = into
        self._hasher = digests.hasher()
        self._spoilt = False
        self.committed = 0
        """The number of bytes that have arrived. The download continues from here."""

    def write(self, chunk: bytes) -> None:
        """Writes the next chunk.

        Raises:
            FedjobsError: BLOB_CORRUPT if more bytes arrive than the blob has; DISK_FULL.
        """
        if self._spoilt or self.committed + len(chunk) > self.size:
            self.start_over()
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"Other bytes than the {self.size} of the blob arrived.")
        if isinstance(self._into, int):
            with full_disk_named("the fetched value"):
                write_all_at(self._into, chunk, self.committed)
        else:
            self._into(chunk)
        self._hasher.update(chunk)
        self.committed += len(chunk)

    def verify(self) -> None:
        """Checks that the download is complete and has the right digest.

        Raises:
            FedjobsError: UNAVAILABLE if the stream ended early; BLOB_CORRUPT if the digest differs. Then the download
                starts over, if it can.
        """
        if self.committed != self.size:
            message = f"The download ended after {self.committed} of {self.size} bytes."
            raise FedjobsError(ErrorCode.UNAVAILABLE, message)
        if self._spoilt or self._hasher.digest() != self.digest:
            self.start_over()
            message = f"The {self.size} downloaded bytes do not have the digest of the blob {self.digest.hex()}."
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, message)

    @property
    def can_start_over(self) -> bool:
        """Whether the download can start over. Chunks that were passed to a function cannot be revoked."""
        return isinstance(self._into, int)

    def start_over(self) -> None:
        """Discards the bytes that have arrived. Bytes that were passed to a function spoil the download for good."""
        self._spoilt = not self.can_start_over
        self._hasher = digests.hasher()
        self.committed = 0


class Outgoing:
    """The state of an upload of a buffer or a whole file.

    Args:
        data: A contiguous buffer or a descriptor.
    """

    def __init__(self, data: memoryview | bytes | int) -> None:
        self._data = data if isinstance(data, int) else memoryview(data).cast("B")
        self.size = os.fstat(self._data).st_size if isinstance(self._data, int) else len(self._data)
        self.digest = b""
        """The BLAKE3 digest, set when all data have been sent."""
        self.committed = 0
        """The number of bytes that the coordinator has confirmed."""
        self.sent = 0
        """The number of bytes that were passed to gRPC."""

    def messages(self, offset: int) -> Iterator[bytes]:
        """Yields the chunks from `offset` on, then the digest of all data, which is computed while sending.

        Args:
            offset: The number of bytes that the coordinator has already. They are hashed here, but not sent.
        """
        hasher = digests.hasher()
        for chunk in self._chunks(0, offset):
            hasher.update(chunk)
        self.sent = offset
        for chunk in self._chunks(offset, self.size):
            hasher.update(chunk)
            self.sent += len(chunk)
            yield chunk
        self.digest = hasher.digest()
        yield self.digest

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        if isinstance(self._data, int):
            return read_chunks(self._data, start, end)
        return view_chunks(self._data, start, end)

    def release(self) -> None:
        """Releases the buffer, so that its owner (a mapped file, for example) can be closed."""
        if isinstance(self._data, memoryview):
            self._data.release()


class Cancellable(Protocol):
    def cancel(self) -> object: ...


@contextlib.contextmanager
def cancelled_when_stalled(
    call: Cancellable, position: Callable[[], int], limit_s: float = _STALLED_S
) -> Iterator[None]:
    """Cancels a call that makes no progress for `limit_s` seconds. It does not limit the total time."""
    ended = threading.Event()

    def watch() -> None:
        last = position()
        while not ended.wait(limit_s):
            now = position()
            if now == last:
                call.cancel()
                return
            last = now

    threading.Thread(target=watch, name="transfer-watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
