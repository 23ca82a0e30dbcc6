"""SIGTERM, from the first moment of the process on.

The kernel does not give a container's first process a signal that it has no handler for: one that comes while modules
are imported would be lost, and after the grace period finished work with it. So this imports next to nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class InterruptedBySignal(BaseException):
    """No Exception: many modules try to import others, and go on after any Exception."""


class Termination:
    """Whether somebody wants this process to end. Made in the main thread.

    Attributes:
        requested: Somebody does.
    """

    def __init__(self) -> None:
        self.requested = False
        self._listener: Callable[[], object] | None = None
        self._interrupts = False
        signal.signal(signal.SIGTERM, lambda *_: self._request())

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Calls this, from the signal's handler, when it comes; at once where it has come."""
        self._listener = listener
        if self.requested:
            listener()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within it the signal raises InterruptedBySignal: for what takes long and may be cut anywhere."""
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
