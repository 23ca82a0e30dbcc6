"""Being asked to end, by SIGTERM: at once where nothing is lost by it, else after what is in hand."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_STOPPED = 75
"""Ended because it was asked to, with the job still going on: not an end that counts as success."""


def end_at_sigterm(status: int) -> None:
    """SIGTERM ends this process from here on, until it says otherwise.

    For the first process of a container the kernel has no default: a signal that comes before there is a handler is
    lost, and a pod that is deleted while it starts would take all of its grace. Imports take seconds on a busy node.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(status))


class StopAskedError(BaseException):
    """This process shall end now. Not an Exception: nothing but the process's own end handles it."""


class Stopping:
    """What SIGTERM means to the main thread.

    Args:
        grace_s: Seconds from being asked that what is in hand may take; 0: it is dropped.
    """

    def __init__(self, grace_s: float) -> None:
        self.asked = False
        self.grace_s = grace_s
        self._busy = False

    def on_sigterm(self) -> None:
        """From here on SIGTERM asks; in the main thread."""
        signal.signal(signal.SIGTERM, self._ask)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """What is done inside is in hand: it is finished first.

        Raises:
            StopAskedError: At its end, where the process was asked to end meanwhile.
        """
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self.asked:
            raise StopAskedError

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first and self.grace_s > 0:
            too_late = threading.Timer(self.grace_s, os._exit, [EXIT_STOPPED])
            too_late.daemon = True
            too_late.start()
        if first and not (self._busy and self.grace_s > 0):
            raise StopAskedError
