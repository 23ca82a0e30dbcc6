"""The saves and releases that a program has started in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class BackgroundWork:
    """Saves and releases in progress, and the first failure. All calls come from one event loop."""

    def __init__(self) -> None:
        self._saves: dict[asyncio.Future[None], int] = {}
        self._stagings: set[asyncio.Future[None]] = set()
        self._publications: set[asyncio.Future[None]] = set()
        self._failure: BaseException | None = None

    @contextmanager
    def saving(self, version: int) -> Iterator[None]:
        """Registers a save of this version for the time of the context."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._saves[ended] = version
        with self.recorded():
            try:
                yield
            finally:
                del self._saves[ended]
                ended.set_result(None)

    @contextmanager
    def staging(self) -> Iterator[None]:
        """Registers that a release is being staged."""
        with _registered(self._stagings):
            yield

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Registers that releases are being published."""
        with _registered(self._publications), self.recorded():
            yield

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Records a failure within the context, because the program may not look at the task's result."""
        try:
            yield
        except BaseException as failure:
            self._failure = self._failure or failure
            raise

    def version_in_progress(self) -> int | None:
        """Returns the version of the latest save in progress, or None."""
        return max(self._saves.values(), default=None)

    def is_saving(self, version: int) -> bool:
        """Returns whether a save of this version is in progress."""
        return version in self._saves.values()

    async def wait_for_stagings(self) -> None:
        """Waits until all releases that the program has started by now are staged."""
        await asyncio.sleep(0)  # tasks that were created by now register themselves
        while self._stagings:
            await asyncio.wait(self._stagings)

    async def wait_for_saves(self) -> None:
        """Waits until all saves that the program has started by now are durable, and their releases published.

        A release belongs to the silos of the last computation, so the next one does not start before.

        Raises:
            Exception: The first failure of a save or release.
        """
        await asyncio.sleep(0)
        while running := {*self._saves, *self._publications}:
            await asyncio.wait(running)
        self.check()

    def check(self) -> None:
        """Raises the first failure of a save or release, if there is one."""
        if self._failure is not None:
            raise self._failure


@contextmanager
def _registered(running: set[asyncio.Future[None]]) -> Iterator[None]:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running.add(ended)
    try:
        yield
    finally:
        running.discard(ended)
        ended.set_result(None)
