"""The values of one run, put where a runner can map them."""

from __future__ import annotations

import os

from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.messages import Piece


class Inputs:
    """Pieces of memory for one run: large values keep their own, small ones are put together in one.

    The small ones' memory is always the first descriptor.
    """

    def __init__(self) -> None:
        self._large: list[int] = []
        self._small: list[bytes] = []
        self._position = 0

    def small(self, value: bytes) -> Piece:
        """Adds a value that is copied."""
        piece = Piece(descriptor=0, offset=self._position, size=len(value))
        padding = shared_memory.aligned(self._position + len(value)) - self._position - len(value)
        self._small += [value, bytes(padding)]
        self._position += len(value) + padding
        return piece

    def large(self, memory: int, size: int) -> Piece:
        """Adds a value that is in shared memory already; the descriptor stays its owner's."""
        self._large.append(memory)
        return Piece(descriptor=len(self._large), offset=0, size=size)

    def __enter__(self) -> list[int]:
        """The descriptors that go with the message."""
        self._memory = shared_memory.create("inputs")
        shared_memory.write(self._memory, self._small)
        return [self._memory, *self._large]

    def __exit__(self, *_: object) -> None:
        os.close(self._memory)
