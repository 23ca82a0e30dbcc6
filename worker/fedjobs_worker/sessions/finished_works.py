"""What became of the last work items, so that one that is asked for again is answered without running again."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass

from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.channels import shared_memory

_MOST_WORKS = 8
_KEPT = 64 << 20  # bytes of accumulators that are kept beside those of the last work


@dataclass(frozen=True)
class Finished:
    """A work item that ended.

    Attributes:
        report: For the coordinator; a result still without its accumulators.
        accumulators: Framed: in shared memory, or the bytes themselves where they are few; None where there are none.
        size: Bytes of them.
    """

    report: pb.Report
    accumulators: int | bytes | None = None
    size: int = 0


class FinishedWorks:
    """Remembers the last works, and recycles the memory of the accumulators that are given up."""

    def __init__(self) -> None:
        self._works: OrderedDict[str, Finished] = OrderedDict()
        self._spare: list[int] = []

    def get(self, work_id: str) -> Finished | None:
        """What became of a work item; None if that is not known any more."""
        return self._works.get(work_id)

    def add(self, finished: Finished) -> None:
        """Remembers a work item."""
        self._works[finished.report.work_id] = finished

    def make_room(self) -> None:
        """Forgets what is too much. Called when other work comes: the coordinator has what came before."""
        size = sum(finished.size for finished in self._works.values())
        while self._works and (len(self._works) > _MOST_WORKS or size > _KEPT):
            _, finished = self._works.popitem(last=False)
            size -= finished.size
            if isinstance(finished.accumulators, int):
                self.recycle(finished.accumulators)

    def memory(self) -> int:
        """Shared memory for accumulators, with the content of an earlier use."""
        return self._spare.pop() if self._spare else shared_memory.create("accumulators")

    def recycle(self, memory: int) -> None:
        """Takes back shared memory; one piece of it is kept for the next work."""
        self._spare.append(memory)
        while len(self._spare) > 1:
            os.close(self._spare.pop(0))

    def close(self) -> None:
        """Frees all memory."""
        for finished in self._works.values():
            if isinstance(finished.accumulators, int):
                os.close(finished.accumulators)
        self._works.clear()
        for memory in self._spare:
            os.close(memory)
        self._spare.clear()
