"""What a silo is doing: told with each heartbeat, and stopped when the coordinator does not want it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.sessions.session_client import SessionClient

_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Activity:
    """In a word: idle, loading, fetching, running, sending."""

    state: str = "idle"
    work_id: str = ""


class Heartbeats:
    """A thread that tells the coordinator what this silo does.

    Args:
        client: To the coordinator.
        cancel: Called, in the thread, with the id of a work item that is not wanted any more.
    """

    def __init__(self, client: SessionClient, cancel: Callable[[str], None]) -> None:
        self.activity = Activity()
        """Replaced as a whole by the thread that works."""
        self._client = client
        self._cancel = cancel
        self._session = ("", 1.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Begins; nothing is sent before there is a session."""
        self._thread.start()

    def follow(self, session_id: str, seconds: float) -> None:
        """From here on for this session, at this interval."""
        self._session = session_id, max(0.1, seconds)

    def stop(self) -> None:
        """Ends; does not wait for a call that is under way."""
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(self._session[1]):
            session_id, activity = self._session[0], self.activity
            if not session_id:
                continue
            try:
                response = self._client.heartbeat(session_id, activity.work_id, activity.state)
            except FedjobsError as error:
                _LOG.debug("a heartbeat failed", error=error.public)  # the session's own calls find out and act
                continue
            if response.cancel and activity.work_id:
                self._cancel(activity.work_id)
