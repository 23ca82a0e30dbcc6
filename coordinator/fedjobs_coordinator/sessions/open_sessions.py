"""The silos' sessions with this coordinator, at most one for each silo, and their long polls."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName


@dataclass(eq=False)
class OpenSession:
    """A session. `waiting` is the future of its long poll."""

    id: str
    waiting: asyncio.Future[None] | None = None


class OpenSessions:
    """Keeps the open sessions. Used in one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[SiloName, OpenSession] = {}

    def begin(self, silo: SiloName) -> str:
        """Starts a session of a silo, which replaces an existing one, and returns its id."""
        self.wake(silo)  # ends the poll of an older session, which then learns that it was superseded
        session = self._sessions[silo] = OpenSession(secrets.token_hex(16))
        return session.id

    def end(self, silo: SiloName) -> None:
        """Ends the silo's session."""
        self.wake(silo)
        self._sessions.pop(silo, None)

    def find(self, silo: SiloName, session_id: str) -> OpenSession:
        """Returns the silo's session.

        Raises:
            FedjobsError: SESSION_NOT_FOUND if the silo has no session with this id.
        """
        session = self._sessions.get(silo)
        if session is None or session.id != session_id:
            raise FedjobsError(
                ErrorCode.SESSION_NOT_FOUND, f"Silo {silo} does not have this session here.", "Join again."
            )
        return session

    def wake(self, silo: SiloName) -> None:
        """Wakes the long poll of a silo."""
        session = self._sessions.get(silo)
        if session and session.waiting and not session.waiting.done():
            session.waiting.set_result(None)

    def wake_all(self) -> None:
        """Wakes the long polls of all silos."""
        for silo in self._sessions:
            self.wake(silo)

    async def woken(self, silo: SiloName, session: OpenSession, seconds: float) -> bool:
        """Waits until the long poll is woken. Returns False after a timeout."""
        self.wake(silo)  # ends an older poll of this session, whose connection may be dead
        waiting = session.waiting = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            return False
        finally:
            if session.waiting is waiting:
                session.waiting = None
        return True

    def check(self, silo: SiloName, session: OpenSession) -> None:
        """Checks that this is still the silo's session.

        Raises:
            FedjobsError: SESSION_SUPERSEDED if it is not.
        """
        if self._sessions.get(silo) is not session:
            raise FedjobsError(ErrorCode.SESSION_SUPERSEDED, f"A newer session of silo {silo} has replaced this one.")
