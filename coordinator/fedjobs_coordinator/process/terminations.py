"""Handles SIGTERM from the start of the process.

The kernel does not deliver a signal without a handler to the first process of a container. A SIGTERM during the imports
would be lost, and the process would be killed after the grace period. So this module imports almost nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class InterruptedBySignal(BaseException):
    """SIGTERM arrived. It is not an Exception, because many modules continue after any Exception in an import."""


class Termination:
    """Handles SIGTERM. Create it in the main thread.

    Attributes:
        requested: Whether SIGTERM has arrived.
    """

    def __init__(self) -> None:
        self.requested = False
        self._listener: Callable[[], object] | None = None
        self._interrupts = False
        signal.signal(signal.SIGTERM, lambda *_: self._request())

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Calls a listener from the signal handler, or immediately if SIGTERM has arrived already."""
        self._listener = listener
        if self.requested:
            listener()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Makes SIGTERM raise InterruptedBySignal within the context. For long operations that can stop anywhere."""
        self._interrupts = True
        try:
            if self.requested:
                raise InterruptedBySignal
            yield
        finally:
            self._interrupts = False

    def _request(self) -> None:
        self.requested = True
        if self._listener is not None:
            self._listener()
        if self._interrupts:
            raise InterruptedBySignal
