"""The invitations of a silo, as its federation's hub tells them by long poll."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from fedjobs_common import retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_protocol.v1 import hub_pb2 as pb

_REVOKED = frozenset({ErrorCode.SILO_SUSPENDED, ErrorCode.SILO_UNKNOWN})
_CERTIFICATE = frozenset({ErrorCode.CERTIFICATE_EXPIRED, ErrorCode.WRONG_CERTIFICATE})
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Received:
    """An invitation that stands.

    Attributes:
        id: Another one when the invitation says something else.
        invitation: What it says.
        silo: Which is invited.
    """

    id: str
    invitation: Invitation
    silo: str


def received(invitation: Invitation, silo: str) -> Received:
    """An invitation, as this silo got it."""
    digest = hashlib.sha256(invitation.model_dump_json(by_alias=True).encode()).hexdigest()[:12]
    return Received(f"{invitation.job_uid}.{digest}", invitation, silo)


class HubInvitations:
    """Says who is there, and keeps the list of invitations that stand.

    While the hub is away, what it said last is what stands. A silo that is suspended, or not known any more, has none.

    Args:
        silo: Whose.
        agent_id: Of this process.
        link: To the hub; called when there is an identity.
        renewing: Holds the silo's identity.
        announcement: What to announce; looked at again after each poll.
    """

    def __init__(
        self,
        silo: str,
        agent_id: str,
        link: Callable[[], HubLink],
        renewing: Renewing,
        announcement: Callable[[], pb.AnnounceRequest],
    ) -> None:
        self._silo = silo
        self._agent_id = agent_id
        self._link = link
        self._renewing = renewing
        self._announcement = announcement
        self._standing: Sequence[Received] | None = None
        self._failures = 0
        self.connected = False
        """Whether the hub answered the last call."""
        self.superseded: FedjobsError | None = None
        """A newer agent of this silo is there; this one is told no more."""

    def current(self) -> Sequence[Received] | None:
        """Those that stand now; None: nobody has said yet."""
        return self._standing

    def follow(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        """Follows them in a thread of its own until `stopping` is set; calls `changed` when they are others."""
        threading.Thread(target=self._follow, args=(changed, stopping), name="invitations", daemon=True).start()

    def _follow(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        while not stopping.is_set() and self.superseded is None:
            identity = None
            try:
                identity = self._renewing.first()
                self._poll(identity, changed, stopping)
            except FedjobsError as error:
                if stopping.is_set():
                    return
                self._failed(error, changed)
                if identity is not None and error.code in _CERTIFICATE:
                    self._renewing.hurry(identity)
            except Exception:
                self.connected = False
                _LOG.exception("the hub's answer could not be dealt with; trying again")
                self._failures += 1
            if self._failures:
                stopping.wait(retries.pause_s(self._failures))

    def _poll(self, identity: Identity, changed: Callable[[], object], stopping: threading.Event) -> None:
        """One connection: as long as its certificate is the current one, and what was announced is true."""
        announced, seen = self._announcement(), ""
        with self._link().hub(identity) as hub:
            hub.announce(announced)
            while not stopping.is_set() and self._renewing.current() == identity and self._announcement() == announced:
                pulled = hub.pull_invitations(self._agent_id, seen)
                if not self.connected:
                    _LOG.info("connected to the hub")
                self.connected, self._failures, seen = True, 0, pulled.tag
                self._say([received(each, self._silo) for each in pulled.invitations], changed)

    def _failed(self, error: FedjobsError, changed: Callable[[], object]) -> None:
        self.connected = False
        self._failures += 1
        if error.code is ErrorCode.SESSION_SUPERSEDED:
            self.superseded = error
            changed()
        else:
            _LOG.warning("the hub is asked again soon", code=error.code.label, error=error.public)
        if error.code in _REVOKED:
            self._say([], changed)

    def _say(self, standing: Sequence[Received], changed: Callable[[], object]) -> None:
        if standing != self._standing:
            self._standing = standing
            changed()
