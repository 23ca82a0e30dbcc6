"""An event loop whose clock jumps to the next timer. Tests of long waits take no time and are deterministic."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class _VirtualTimeSelector(selectors.DefaultSelector):
    """Advances the virtual time to the next timer. Without a timer, it waits for other threads in real time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _VirtualTimeSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def in_virtual_time(test: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs a coroutine in a loop whose `time()` begins at 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(test)


def now() -> float:
    """Returns the virtual time, in seconds."""
    return round(asyncio.get_running_loop().time(), 6)


async def settled() -> None:
    """Runs all tasks that can run now."""
    for _ in range(20):
        await asyncio.sleep(0)
