"""BLAKE3 digests, which identify blobs, shards and work.

Data are hashed while they are sent. BLAKE3 hashes 5 GB/s on one thread, SHA-256 1.4 GB/s.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from blake3 import blake3

from fedjobs_common.ids import Digest

Buffer: TypeAlias = bytes | bytearray | memoryview

SIZE = 32
"""The number of bytes of a digest on the wire. A `Digest` is the same in hex, with twice as many digits."""


class Hasher(Protocol):
    """The used part of `blake3.blake3`. It releases the GIL while it hashes large buffers."""

    def update(self, data: Buffer, /) -> object: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def hasher() -> Hasher:
    """Returns a new hasher."""
    made: Hasher = blake3()
    return made


def digest(*buffers: Buffer) -> Digest:
    """Returns the digest of the concatenated buffers."""
    state = hasher()
    for buffer in buffers:
        state.update(buffer)
    return Digest(state.hexdigest())


def raw(hexadecimal: Digest) -> bytes:
    """Converts a digest to its 32 bytes on the wire."""
    return bytes.fromhex(hexadecimal)


def named(wire: bytes) -> Digest:
    """Converts 32 bytes from the wire to a digest."""
    return Digest(wire.hex())
