"""Handles SIGTERM: the process ends immediately, or after its current work if it has a grace period."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_STOPPED = 75
"""The exit status of a process that was stopped before the job ended. It does not count as success."""


def end_at_sigterm(status: int) -> None:
    """Installs a handler that ends this process at SIGTERM.

    The kernel has no default action for the first process of a container. A signal without a handler is lost, and a pod
    that is deleted while it starts would take its whole grace period. Imports take seconds on a busy node.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(status))


class StopAskedError(BaseException):
    """Ends this process. It is not an Exception, so that no error handler catches it."""


class Stopping:
    """Handles SIGTERM in the main thread.

    Args:
        grace_s: The seconds that the current work may take after SIGTERM. With 0, it is aborted.
    """

    def __init__(self, grace_s: float) -> None:
        self.asked = False
        self.grace_s = grace_s
        self._busy = False

    def on_sigterm(self) -> None:
        """Installs the handler. Call this in the main thread."""
        signal.signal(signal.SIGTERM, self._ask)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Marks the block as current work, which is finished before the process ends.

        Raises:
            StopAskedError: After the block, if SIGTERM arrived meanwhile.
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
