"""Tells the operator how the job is, whenever that has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

_PAUSE_S = 0.5
_LONGEST_S = 45.0  # under the 50 s after which load balancers cut an idle link


class StatusReports:
    """A `fedjobs_protocol.reports.reports_server.ReportsHandler`. Used in one event loop.

    Args:
        status: The present status as JSON; called in the event loop.
        pause_s: Least time between two statuses.
        longest_s: Of one stream.
    """

    def __init__(self, status: Callable[[], bytes], pause_s: float = _PAUSE_S, longest_s: float = _LONGEST_S) -> None:
        self._status = status
        self._pause_s = pause_s
        self._longest_s = longest_s
        self._ending = asyncio.Event()

    async def watch(self) -> AsyncIterator[bytes]:
        """The status now, and again whenever it has changed."""
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
        """The last status is there: whoever watches gets it, and no more."""
        self._ending.set()

    async def _ended(self) -> bool:
        """Waits a while; whether there is an end."""
        try:
            async with asyncio.timeout(self._pause_s):
                return await self._ending.wait()
        except TimeoutError:
            return False
