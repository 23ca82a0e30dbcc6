"""A work queue like those of Kubernetes' controllers.

A key is processed by one worker at a time. Adding a waiting key has no effect. A failed key is retried with backoff.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 60.0
_SPARE = 64


class WorkQueue(Generic[Key]):
    """A work queue for one event loop.

    Args:
        clock: Returns the time in seconds. For tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Key]] = []
        self._at: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._order = itertools.count()
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Returns the number of keys that are due now."""
        now = self._clock()
        return sum(at <= now for at in self._at.values())

    async def add(self, key: Key, delay_s: float = 0.0) -> None:
        """Adds a key that is due after a delay. If the key is due earlier already, it has no effect."""
        at = self._clock() + delay_s
        async with self._changed:
            if at < self._at.get(key, float("inf")):
                self._at[key] = at
                heapq.heappush(self._due, (at, next(self._order), key))
                if len(self._due) > 2 * len(self._at) + _SPARE:
                    self._forget_what_was_to_be_later()
                self._changed.notify()

    async def get(self) -> Key:
        """Waits for a due key that no other worker processes. The caller must then call `done` or `failed`."""
        async with self._changed:
            while True:
                key, wait = self._next()
                if key is not None:
                    self._busy.add(key)
                    return key
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    continue

    async def done(self, key: Key) -> None:
        """Marks a key as processed."""
        self._failures.pop(key, None)
        await self._release(key)

    async def failed(self, key: Key) -> None:
        """Marks a key as failed, and adds it again with exponential backoff."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        await self._release(key)
        await self.add(key, min(_FIRST_RETRY_S * 2 ** (failures - 1), _LONGEST_RETRY_S))

    async def _release(self, key: Key) -> None:
        async with self._changed:
            self._busy.discard(key)
            self._changed.notify()

    def _forget_what_was_to_be_later(self) -> None:
        """Removes entries of keys that became due earlier. They would otherwise stay until their time, perhaps days."""
        self._due = [entry for entry in self._due if self._at.get(entry[2]) == entry[0]]
        heapq.heapify(self._due)

    def _next(self) -> tuple[Key | None, float | None]:
        """Returns a due key, or None and the seconds until the next key is due."""
        now, waiting = self._clock(), []
        try:
            while self._due and self._due[0][0] <= now:
                entry = heapq.heappop(self._due)
                at, _, key = entry
                if self._at.get(key) != at:
                    continue  # a stale entry: the key became due earlier
                if key in self._busy:
                    waiting.append(entry)
                    continue
                del self._at[key]
                return key, None
        finally:
            for entry in waiting:
                heapq.heappush(self._due, entry)
        later = [at for at, _, _ in self._due if at > now]
        return None, min(later) - now if later else None
