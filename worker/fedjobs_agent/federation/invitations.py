"""Receives the silo's invitations from the hub by long polling."""

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

_REVOKED = frozenset({ErrorCode.SILO_SUSPENDED, ErrorCode.SILO_NOT_FOUND})
_CERTIFICATE = frozenset({ErrorCode.CERTIFICATE_EXPIRED, ErrorCode.INVALID_CERTIFICATE})
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Received:
    """A current invitation.

    Attributes:
        id: An ID that changes with the content of the invitation.
        invitation: The invitation.
        silo: The name of the invited silo.
    """

    id: str
    invitation: Invitation
    silo: str


def received(invitation: Invitation, silo: str) -> Received:
    """Returns the invitation with its ID for this silo."""
    digest = hashlib.sha256(invitation.model_dump_json(by_alias=True).encode()).hexdigest()[:12]
    return Received(f"{invitation.job_uid}.{digest}", invitation, silo)


class HubInvitations:
    """Announces the silo to the hub, and keeps the list of current invitations.

    While the hub is unreachable, its last list stays valid. A suspended or removed silo has no invitations.

    Args:
        silo: The silo's name.
        agent_id: The ID of this process.
        link: Returns the connection to the hub. Called when there is an identity.
        renewing: Renews the silo's identity.
        announcement: Returns the announcement. Called again after each poll.
        audit_anchor: Returns the state of the silo's audit log, or an empty string. Called before each poll.
    """

    def __init__(
        self,
        silo: str,
        agent_id: str,
        link: Callable[[], HubLink],
        renewing: Renewing,
        announcement: Callable[[], pb.AnnounceRequest],
        audit_anchor: Callable[[], str] = str,
    ) -> None:
        self._silo = silo
        self._agent_id = agent_id
        self._link = link
        self._renewing = renewing
        self._announcement = announcement
        self._audit_anchor = audit_anchor
        self._standing: Sequence[Received] | None = None
        self._failures = 0
        self.connected = False
        """Whether the hub answered the last call."""
        self.superseded: FedjobsError | None = None
        """The error if a newer agent of this silo has connected. The hub then sends nothing to this agent."""

    def current(self) -> Sequence[Received] | None:
        """Returns the current invitations, or None if the hub has not answered yet."""
        return self._standing

    def follow(self, changed: Callable[[], object], stopping: threading.Event) -> None:
        """Polls in a background thread until `stopping` is set. Calls `changed` when the invitations change."""
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
                _LOG.exception("cannot process the hub's response; retrying")
                self._failures += 1
            if self._failures:
                stopping.wait(retries.pause_s(self._failures))

    def _poll(self, identity: Identity, changed: Callable[[], object], stopping: threading.Event) -> None:
        """Polls on one connection, as long as its certificate and the announcement are current."""
        announced, seen = self._announcement(), ""
        with self._link().hub(identity) as hub:
            hub.announce(announced)
            while not stopping.is_set() and self._renewing.current() == identity and self._announcement() == announced:
                pulled = hub.pull_invitations(self._agent_id, seen, self._audit_anchor())
                if not self.connected:
                    _LOG.info("connected to the hub")
                self.connected, self._failures, seen = True, 0, pulled.tag
                for reason in pulled.unreadable:
                    _LOG.error(
                        "cannot read an invitation; ignoring it. The federation may have another release of fedjobs",
                        reason=reason,
                    )
                self._say([received(each, self._silo) for each in pulled.invitations], changed)

    def _failed(self, error: FedjobsError, changed: Callable[[], object]) -> None:
        self.connected = False
        self._failures += 1
        if error.code is ErrorCode.SESSION_SUPERSEDED:
            self.superseded = error
            changed()
        else:
            _LOG.warning("a call to the hub failed; retrying", code=error.code.label, error=error.public)
        if error.code in _REVOKED:
            self._say([], changed)

    def _say(self, standing: Sequence[Received], changed: Callable[[], object]) -> None:
        if standing != self._standing:
            self._standing = standing
            changed()
