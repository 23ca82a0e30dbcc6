"""An identity that is renewed in time, for as long as a process lives.

Certificates are short-lived, and a hub that is away for minutes must not matter: the next one is asked for when a third
of the lifetime is left, again and again until it comes, and until then the current one is used. What is handed out is
a value; who keeps a connection looks at `current()` again when it makes the next one.

A machine's clock may be wrong by minutes. So how long a certificate lasts is counted from its arrival, not compared
with what the clock says; only for one of which nobody knows when it came (it was kept on disk) the clock is asked.
"""

from __future__ import annotations

import datetime
import functools
import threading
from collections.abc import Callable

import structlog
from fedjobs_common import retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.thread_imports import import_what_threads_need

from fedjobs_protocol.identities.identities import Identity

REFUSED_AGAIN_S = 60.0
"""What trying again does not help is tried again after so long all the same: somebody may have put it right."""
_LONGEST_WAIT_S = 30.0  # then the clock is looked at again: a machine that slept is not late by its sleep
_LOG = structlog.get_logger()

Clock = Callable[[], datetime.datetime]


def now() -> datetime.datetime:
    """UTC, by this machine's clock."""
    return datetime.datetime.now(datetime.UTC)


def due(identity: Identity, arrived: datetime.datetime, *, fresh: bool) -> datetime.datetime:
    """When to ask for the next identity, by the clock that says when this one arrived.

    Args:
        identity: The current one.
        arrived: When it came.
        fresh: It was issued just then; otherwise it may have been kept for long.
    """
    counted = arrived + (identity.renewed_at - identity.issued)
    return counted if fresh else min(counted, identity.renewed_at)


class Renewing:
    """Holds the current identity of this process and gets the next one in time, in a thread of its own.

    Args:
        obtain: Gets the first identity: issued now, or kept from before.
        renew: Gets the next one after the one that it is given.
        clock: UTC.
    """

    def __init__(
        self, obtain: Callable[[], Identity], renew: Callable[[Identity], Identity], clock: Clock = now
    ) -> None:
        self._obtain = obtain
        self._renew = renew
        self._clock = clock
        self._changed = threading.Condition()
        self._identity: Identity | None = None
        self._failure: FedjobsError | None = None
        self._closing = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renews-identity", daemon=True)

    def start(self) -> None:
        """Begins to obtain the first identity; returns at once."""
        import_what_threads_need()
        self._thread.start()

    def current(self) -> Identity:
        """The newest identity; does not wait.

        Raises:
            FedjobsError: There is none yet; with what the last attempt failed of, else UNAVAILABLE.
        """
        with self._changed:
            if self._identity is not None:
                return self._identity
            raise self._failure or FedjobsError(ErrorCode.UNAVAILABLE, "The hub has issued no certificate yet.")

    @property
    def failure(self) -> FedjobsError | None:
        """What the last attempt failed of; None: it worked, or there was none."""
        with self._changed:
            return self._failure

    def first(self) -> Identity:
        """The identity, once there is one; waits as long as trying again may help.

        Raises:
            FedjobsError: What trying again does not help; UNAVAILABLE when this was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._identity or self._refused() or self._closing.is_set())
        return self.current()

    def after(self, identity: Identity, timeout_s: float | None = None) -> Identity:
        """Another identity than this one, as soon as there is one; the same where there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._identity not in (None, identity) or self._closing.is_set(), timeout_s)
        return self.current()

    def hurry(self, refused: Identity) -> None:
        """Renews now: somebody would not take this identity any more. Nothing to do where it is not the current one."""
        with self._changed:
            if self._identity == refused:
                self._wanted.set()

    def close(self) -> None:
        """Renews no more. A call that is on its way is not waited for."""
        self._closing.set()
        self._wanted.set()
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        identity = self._persistently(self._obtain, "no first certificate yet")
        at = due(identity, self._clock(), fresh=False) if identity else None
        while identity is not None and at is not None:
            self._wait_until(at)
            identity = self._persistently(
                functools.partial(self._renew, identity), "the certificate is not renewed yet"
            )
            if identity is not None:
                at = due(identity, self._clock(), fresh=True)
                _LOG.info("the certificate was renewed", expires=identity.expires.isoformat())

    def _wait_until(self, at: datetime.datetime) -> None:
        while (
            not (self._wanted.is_set() or self._closing.is_set()) and (left := (at - self._clock()).total_seconds()) > 0
        ):
            self._wanted.wait(min(left, _LONGEST_WAIT_S))

    def _persistently(self, get: Callable[[], Identity], trouble: str) -> Identity | None:
        """Tries until it works; None: this was closed."""

        def waits(error: FedjobsError, seconds: float) -> None:
            _LOG.warning(trouble, code=error.code.label, error=error.public, seconds=round(seconds, 1))
            self._tell(None, error)

        while not self._closing.is_set():
            try:
                identity = retries.forever(stopping=self._closing, on_wait=waits)(get)
            except FedjobsError as error:
                if not self._closing.is_set():
                    _LOG.error(trouble, code=error.code.label, error=error.public)
                self._tell(None, error)
            except Exception:
                _LOG.exception(trouble)
                self._tell(None, FedjobsError(ErrorCode.INTERNAL, "The certificate could not be renewed."))
            else:
                self._tell(identity, None)
                return identity
            self._closing.wait(REFUSED_AGAIN_S)
        return None

    def _tell(self, identity: Identity | None, failure: FedjobsError | None) -> None:
        with self._changed:
            if identity is not None:
                self._identity = identity
                self._wanted.clear()
            self._failure = failure
            self._changed.notify_all()

    def _refused(self) -> bool:
        return self._failure is not None and not self._failure.retryable
