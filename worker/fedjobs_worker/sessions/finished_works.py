"""Keeps the results of the last work items, so that a repeated request is answered without running the work again."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass

from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.channels import shared_memory

_MOST_WORKS = 8
_KEPT = 64 << 20  # maximum bytes of accumulators of earlier work items


@dataclass(frozen=True)
class Finished:
    """A work item that ended.

    Attributes:
        report: The report for the coordinator, without the accumulators.
        accumulators: The framed accumulators as a descriptor of shared memory, or as bytes if they are small. None if
            there are no accumulators.
        size: The size of the accumulators in bytes.
    """

    report: pb.Report
    accumulators: int | bytes | None = None
    size: int = 0


class FinishedWorks:
    """Keeps the last work items, and reuses the memory of evicted accumulators."""

    def __init__(self) -> None:
        self._works: OrderedDict[str, Finished] = OrderedDict()
        self._spare: list[int] = []

    def get(self, work_id: str) -> Finished | None:
        """Returns a finished work item, or None if it is unknown or evicted."""
        return self._works.get(work_id)

    def add(self, finished: Finished) -> None:
        """Adds a finished work item."""
        self._works[finished.report.work_id] = finished

    def make_room(self) -> None:
        """Evicts old work items. Call this when new work arrives: the coordinator has all earlier results then."""
        size = sum(finished.size for finished in self._works.values())
        while self._works and (len(self._works) > _MOST_WORKS or size > _KEPT):
            _, finished = self._works.popitem(last=False)
            size -= finished.size
            if isinstance(finished.accumulators, int):
                self.recycle(finished.accumulators)

    def memory(self) -> int:
        """Returns shared memory for accumulators, which may have the content of an earlier use."""
        return self._spare.pop() if self._spare else shared_memory.create("accumulators")

    def recycle(self, memory: int) -> None:
        """Takes back shared memory. Keeps one memory for the next work item."""
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
