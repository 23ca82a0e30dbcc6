"""Tells the coordinator about decisions on computations that waited for approval."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.consent.consents import Computation, Consent, Consents

_LOOK_S = 1.0  # the interval of checks for decisions; the files of a ConfigMap may be up to a minute late
_LOG = structlog.get_logger()

Message = Callable[[Digest, str, Consent, float], pb.ShardConsent]


class ConsentWatch:
    """A thread that checks for decisions as long as a computation waits for approval.

    Args:
        client: The client for the coordinator.
        consents: The decisions about computations.
        message: Returns the message for a decision at a time.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self, client: SessionClient, consents: Consents, message: Message, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._consents = consents
        self._message = message
        self._clock = clock
        self._session_id = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, session_id: str) -> None:
        """Sends decisions in this session from now on. In a new session, the coordinator asks for all of them again."""
        self._session_id = session_id
        if self._consents.waiting and self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(target=self._look, name="consents", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stops the thread. Does not wait for a call in progress."""
        self._ended.set()

    def _look(self) -> None:
        untold: list[tuple[Computation, Consent]] = []
        while not self._ended.wait(_LOOK_S):
            try:
                untold += self._consents.changed()
                if untold:
                    now = self._clock()
                    told = [self._message(asked.digest, asked.offer, said, now) for asked, said in untold]
                    self._client.consent(self._session_id, told)
                    untold = []
            except FedjobsError as error:
                _LOG.warning(
                    "cannot send a decision to the coordinator; retrying", code=error.code.label, error=error.public
                )
            except Exception as error:  # such as a disk that is full; the computations still wait
                _LOG.exception("cannot look for decisions; retrying", error=str(error))
