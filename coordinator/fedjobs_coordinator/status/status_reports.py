"""Streams the job's status to the operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

_PAUSE_S = 0.5
_LONGEST_S = 45.0  # less than 50 s, because load balancers cut idle connections


class StatusReports:
    """Implements `fedjobs_protocol.reports.reports_server.ReportsHandler`. Used in one event loop.

    Args:
        status: Returns the current status as JSON. Called in the event loop.
        pause_s: The minimum time between two statuses.
        longest_s: The maximum duration of a stream.
    """

    def __init__(self, status: Callable[[], bytes], pause_s: float = _PAUSE_S, longest_s: float = _LONGEST_S) -> None:
        self._status = status
        self._pause_s = pause_s
        self._longest_s = longest_s
        self._ending = asyncio.Event()

    async def watch(self) -> AsyncIterator[bytes]:
        """Yields the status immediately and after each change."""
        now = asyncio.get_running_loop().time
        until = now() + self._longest_s
        last, ended = self._status(), False
        yield last
        while not ended and now() < until:
            ended = await self._ended()
            if (status := self._status()) != last:
                last = status
                yield last

    def end(self) -> None:
        """Ends all streams after the current status, which is the last one."""
        self._ending.set()

    async def _ended(self) -> bool:
        """Waits for `pause_s`. Returns whether the streams must end."""
        try:
            async with asyncio.timeout(self._pause_s):
                return await self._ending.wait()
        except TimeoutError:
            return False
