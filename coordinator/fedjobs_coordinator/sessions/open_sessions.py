"""The sessions that silos have with this coordinator, at most one each, and their long polls."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName


@dataclass(eq=False)
class OpenSession:
    """One session; `waiting` is resolved where its poll has something to say."""

    id: str
    waiting: asyncio.Future[None] | None = None


class OpenSessions:
    """Used in one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[SiloName, OpenSession] = {}

    def begin(self, silo: SiloName) -> str:
        """A new session of a silo, in place of the one that it may have; its id."""
        self.wake(silo)  # an older session's poll: it learns that it was superseded
        session = self._sessions[silo] = OpenSession(secrets.token_hex(16))
        return session.id

    def end(self, silo: SiloName) -> None:
        """The silo has no session any more."""
        self.wake(silo)
        self._sessions.pop(silo, None)

    def find(self, silo: SiloName, session_id: str) -> OpenSession:
        """The silo's session.

        Raises:
            FedjobsError: SESSION_UNKNOWN: it has none, or another one.
        """
        session = self._sessions.get(silo)
        if session is None or session.id != session_id:
            raise FedjobsError(
                ErrorCode.SESSION_UNKNOWN, f"Silo {silo} has no such session with this coordinator.", "Join again."
            )
        return session

    def wake(self, silo: SiloName) -> None:
        """There is something to say to this silo."""
        session = self._sessions.get(silo)
        if session and session.waiting and not session.waiting.done():
            session.waiting.set_result(None)

    def wake_all(self) -> None:
        """There is something to say to every silo."""
        for silo in self._sessions:
            self.wake(silo)

    async def woken(self, silo: SiloName, session: OpenSession, seconds: float) -> bool:
        """Waits until there is something to say; False: there was nothing for so long."""
        self.wake(silo)  # an older poll of this session, whose link may be dead without our knowing
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
        """Whether it is still the silo's session.

        Raises:
            FedjobsError: SESSION_SUPERSEDED: it is not.
        """
        if self._sessions.get(silo) is not session:
            raise FedjobsError(ErrorCode.SESSION_SUPERSEDED, f"A newer session of silo {silo} has taken over.")
