"""Heartbeats, which report the silo's activity and cancel work that the coordinator no longer needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.sessions.session_client import SessionClient

_SHORTEST_S, _LONGEST_S = 0.1, 40.0  # load balancers cut connections that are idle for 50 s
_LOG = structlog.get_logger()


def interval(seconds: float) -> float:
    """Returns the interval of heartbeats, in seconds, for the one that a coordinator asks for. It can ask for NaN."""
    return min(max(_SHORTEST_S, seconds), _LONGEST_S)


@dataclass(frozen=True)
class Activity:
    """The silo's activity: idle, loading, fetching, running or sending."""

    state: str = "idle"
    work_id: str = ""


class Heartbeats:
    """A thread that reports the silo's activity to the coordinator.

    Args:
        client: The client for the coordinator.
        cancel: Called in the thread with the ID of a work item that the coordinator no longer needs.
    """

    def __init__(self, client: SessionClient, cancel: Callable[[str], None]) -> None:
        self.activity = Activity()
        """The current activity. The working thread replaces the whole object."""
        self._client = client
        self._cancel = cancel
        self._session = ("", 1.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Starts the thread. It sends no heartbeats before there is a session."""
        self._thread.start()

    def follow(self, session_id: str, seconds: float) -> None:
        """Sends heartbeats for this session at this interval from now on."""
        self._session = session_id, interval(seconds)

    def stop(self) -> None:
        """Stops the thread. Does not wait for a call in progress."""
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(self._session[1]):
            session_id, activity = self._session[0], self.activity
            if not session_id:
                continue
            try:
                response = self._client.heartbeat(session_id, activity.work_id, activity.state)
            except FedjobsError as error:
                _LOG.debug(
                    "a heartbeat failed", error=error.public
                )  # the session's calls detect and handle the problem
                continue
            if response.cancel and activity.work_id:
                self._cancel(activity.work_id)
