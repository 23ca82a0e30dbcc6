"""BLAKE3 digests: the names of blobs, of shards, and of work.

BLAKE3 rather than SHA-256: 5 GB/s instead of 1.4 GB/s on one thread, and hashing is done inline with sending.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from blake3 import blake3

from fedjobs_common.ids import Digest

Buffer: TypeAlias = bytes | bytearray | memoryview

SIZE = 32
"""Bytes of a digest on the wire; as a `Digest` it is twice as many hex digits."""


class Hasher(Protocol):
    """What is used of `blake3.blake3`; the GIL is released while large buffers are hashed."""

    def update(self, data: Buffer, /) -> object: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def hasher() -> Hasher:
    """A new, empty hasher."""
    made: Hasher = blake3()
    return made


def digest(*buffers: Buffer) -> Digest:
    """The digest of the buffers' concatenation."""
    state = hasher()
    for buffer in buffers:
        state.update(buffer)
    return Digest(state.hexdigest())


def raw(hexadecimal: Digest) -> bytes:
    """The 32 bytes of a digest, as they are on the wire."""
    return bytes.fromhex(hexadecimal)


def named(wire: bytes) -> Digest:
    """The digest whose 32 bytes came over the wire."""
    return Digest(wire.hex())
