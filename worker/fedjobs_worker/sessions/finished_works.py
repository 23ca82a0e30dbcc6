"""Keeps the outcomes of the last work items, so that a repeated request is answered without running the work again."""

from __future__ import annotations

import os
from collections import OrderedDict

from fedjobs_common.ids import Digest

from fedjobs_worker.release.finished import Finished

_MOST_WORKS = 8
_KEPT = 64 << 20  # maximum bytes of accumulators of earlier work items


class FinishedWorks:
    """Keeps the last work items by what they ask for (`work_items.asked_by`)."""

    def __init__(self) -> None:
        self._works: OrderedDict[Digest, Finished] = OrderedDict()

    def get(self, asked: Digest) -> Finished | None:
        """Returns a finished work item, or None if it is unknown or evicted."""
        return self._works.get(asked)

    def add(self, asked: Digest, finished: Finished) -> None:
        """Adds a finished work item."""
        self._works[asked] = finished

    def make_room(self) -> None:
        """Evicts old work items. Call this when new work arrives: the coordinator has all earlier results then."""
        size = sum(finished.size for finished in self._works.values())
        while self._works and (len(self._works) > _MOST_WORKS or size > _KEPT):
            _, finished = self._works.popitem(last=False)
            size -= finished.size
            _close(finished)

    def close(self) -> None:
        """Frees all memory."""
        for finished in self._works.values():
            _close(finished)
        self._works.clear()


def _close(finished: Finished) -> None:
    if isinstance(finished.accumulators, int):
        os.close(finished.accumulators)
