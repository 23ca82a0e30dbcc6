"""Puts the values of a run into shared memory for a runner."""

from __future__ import annotations

import os

from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.messages import Piece


class Inputs:
    """Shared memory for the values of a run. A large value has its own memory. Small values share one.

    The first descriptor is always the memory of the small values.
    """

    def __init__(self) -> None:
        self._large: list[int] = []
        self._small: list[bytes] = []
        self._position = 0

    def small(self, value: bytes) -> Piece:
        """Adds a small value, which is copied."""
        piece = Piece(descriptor=0, offset=self._position, size=len(value))
        padding = shared_memory.aligned(self._position + len(value)) - self._position - len(value)
        self._small += [value, bytes(padding)]
        self._position += len(value) + padding
        return piece

    def large(self, memory: int, size: int) -> Piece:
        """Adds a value that is already in shared memory. The caller keeps ownership of the descriptor."""
        self._large.append(memory)
        return Piece(descriptor=len(self._large), offset=0, size=size)

    def __enter__(self) -> list[int]:
        """Returns the descriptors to send with the message."""
        self._memory = shared_memory.create("inputs")
        shared_memory.write(self._memory, self._small)
        return [self._memory, *self._large]

    def __exit__(self, *_: object) -> None:
        os.close(self._memory)
