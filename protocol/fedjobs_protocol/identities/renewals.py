"""Keeps the identity of a process renewed.

Certificates are short-lived, and an outage of the hub for minutes must not matter. So a certificate is renewed when a
third of its lifetime is left. Failed renewals are retried, and the current certificate is used until then. Identities
are immutable values. Call `current()` before each new connection.

A machine's clock may be wrong by minutes. So the remaining lifetime is counted from the certificate's arrival, not
compared with the clock. Only a certificate that was loaded from disk is compared with the clock.
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
"""Seconds until the retry after an error that is not retryable. A person may have fixed its cause."""
_LONGEST_WAIT_S = 30.0  # read the clock at least this often, because the machine may have been suspended
_LOG = structlog.get_logger()

Clock = Callable[[], datetime.datetime]


def now() -> datetime.datetime:
    """Returns the current time in UTC, by this machine's clock."""
    return datetime.datetime.now(datetime.UTC)


def due(identity: Identity, arrived: datetime.datetime, *, fresh: bool) -> datetime.datetime:
    """Returns when to renew an identity, by the clock of `arrived`.

    Args:
        identity: The current identity.
        arrived: When it arrived.
        fresh: Whether it had just been issued. Otherwise it may have been stored for some time.
    """
    counted = arrived + (identity.renewed_at - identity.issued)
    return counted if fresh else min(counted, identity.renewed_at)


class Renewing:
    """Holds the current identity of this process, and renews it in a background thread.

    Args:
        obtain: Returns the first identity, new or stored.
        renew: Returns the successor of an identity.
        clock: Returns the current time in UTC.
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
        """Starts to obtain the first identity in the background."""
        import_what_threads_need()
        self._thread.start()

    def current(self) -> Identity:
        """Returns the newest identity without waiting.

        Raises:
            FedjobsError: There is no identity yet. The error of the last attempt, or UNAVAILABLE.
        """
        with self._changed:
            if self._identity is not None:
                return self._identity
            raise self._failure or FedjobsError(ErrorCode.UNAVAILABLE, "The hub has issued no certificate yet.")

    @property
    def failure(self) -> FedjobsError | None:
        """The error of the last attempt. None if it succeeded, or if there was no attempt yet."""
        with self._changed:
            return self._failure

    def first(self) -> Identity:
        """Waits for the first identity and returns it. It waits as long as errors are retryable.

        Raises:
            FedjobsError: An error that is not retryable, or UNAVAILABLE after `close`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._identity or self._refused() or self._closing.is_set())
        return self.current()

    def after(self, identity: Identity, timeout_s: float | None = None) -> Identity:
        """Waits for an identity other than this one, and returns it. Returns the same identity after a timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._identity not in (None, identity) or self._closing.is_set(), timeout_s)
        return self.current()

    def hurry(self, refused: Identity) -> None:
        """Renews an identity that a server refused immediately. It has no effect if it is not the current identity."""
        with self._changed:
            if self._identity == refused:
                self._wanted.set()

    def close(self) -> None:
        """Stops renewing. It does not wait for a pending call."""
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
        """Retries until success. Returns None after `close`."""

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
