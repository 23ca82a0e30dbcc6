"""The silo's ends of a transfer: what has arrived, what is to be sent, and whether it still moves."""

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
"""Called with each chunk in order; or a descriptor, written from offset 0 on, whatever its position."""

_STALLED_S = 60.0


class Download:
    """A blob on its way into the silo. It outlives a cut link, and a session too.

    Args:
        digest: BLAKE3 of the whole, 32 bytes.
        size: Bytes.
        into: Where the chunks go.
    """

    def __init__(self, digest: bytes, size: int, into: Sink) -> None:
        self.digest = digest
        self.size = size
        self._into = into
        self._hasher = digests.hasher()
        self.committed = 0
        """Bytes that have arrived; the download goes on from here."""

    def write(self, chunk: bytes) -> None:
        """Takes the next chunk.

        Raises:
            FedjobsError: BLOB_CORRUPT when more comes than the blob has; DISK_FULL.
        """
        if self.committed + len(chunk) > self.size:
            self.start_over()
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"More than the {self.size} bytes of the blob came.")
        if isinstance(self._into, int):
            with full_disk_named("the fetched value"):
                write_all_at(self._into, chunk, self.committed)
        else:
            self._into(chunk)
        self._hasher.update(chunk)
        self.committed += len(chunk)

    def verify(self) -> None:
        """Ends the download.

        Raises:
            FedjobsError: UNAVAILABLE when the stream ended early; BLOB_CORRUPT when this is not the blob, and then the
                download starts over, if it can.
        """
        if self.committed != self.size:
            message = f"The download ended after {self.committed} of {self.size} bytes."
            raise FedjobsError(ErrorCode.UNAVAILABLE, message)
        if self._hasher.digest() != self.digest:
            self.start_over()
            message = f"What came is not the blob {self.digest.hex()}: its {self.size} bytes have another digest."
            raise FedjobsError(ErrorCode.BLOB_CORRUPT, message)

    @property
    def can_start_over(self) -> bool:
        """Chunks that a function took cannot be taken back."""
        return isinstance(self._into, int)

    def start_over(self) -> None:
        self._hasher = digests.hasher()
        self.committed = 0


class Outgoing:
    """Bytes to be sent, of a buffer or of a file (all of it).

    Args:
        data: A contiguous buffer, or a descriptor.
    """

    def __init__(self, data: memoryview | bytes | int) -> None:
        self._data = data if isinstance(data, int) else memoryview(data).cast("B")
        self.size = os.fstat(self._data).st_size if isinstance(self._data, int) else len(self._data)
        self.digest = b""
        """BLAKE3, once all has been sent."""
        self.committed = 0
        """Bytes that have arrived, as far as the other side has told."""
        self.sent = 0
        """Bytes that were handed over to gRPC."""

    def messages(self, offset: int) -> Iterator[bytes]:
        """The chunks from `offset` on, then the digest of the whole; hashed while it is sent.

        Args:
            offset: Bytes that the other side has already. They are hashed again here.
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
        """Lets go of the buffer, so that what it belongs to (a mapped file, for one) can be closed."""
        if isinstance(self._data, memoryview):
            self._data.release()


class Cancellable(Protocol):
    def cancel(self) -> object: ...


@contextlib.contextmanager
def cancelled_when_stalled(
    call: Cancellable, position: Callable[[], int], limit_s: float = _STALLED_S
) -> Iterator[None]:
    """Cancels a call that has not moved for `limit_s`: a limit on progress, never on the total time."""
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
