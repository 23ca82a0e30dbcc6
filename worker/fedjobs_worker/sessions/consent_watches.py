"""Tells the coordinator when a person has said something to a computation that waited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb

from fedjobs_worker.consent.consents import Consents, message_of

_LOOK_S = 1.0  # between looks at what people said; files of a ConfigMap take up to a minute more
_LOG = structlog.get_logger()


class ConsentWatch:
    """A thread that looks as long as something waits.

    Args:
        client: To the coordinator.
        consents: What waits.
        clock: Seconds since 1970.
    """

    def __init__(self, client: SessionClient, consents: Consents, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._consents = consents
        self._clock = clock
        self._session_id = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, session_id: str) -> None:
        """Answers belong to this session from here on; a new one is asked for all of them by the coordinator."""
        self._session_id = session_id
        if self._consents.waiting and self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(target=self._look, name="consents", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends; does not wait for a call that is under way."""
        self._ended.set()

    def _look(self) -> None:
        untold: list[pb.ShardConsent] = []
        while not self._ended.wait(_LOOK_S):
            changed = self._consents.changed()
            untold += [message_of(digest, said, self._clock()) for digest, said in changed]
            for digest, said in changed:
                _LOG.info("a computation waits no more", shard=digest, consent=type(said).__name__)
            if untold:
                try:
                    self._client.consent(self._session_id, untold)
                    untold = []
                except FedjobsError as error:
                    _LOG.warning("the coordinator could not be told", code=error.code.label, error=error.public)
