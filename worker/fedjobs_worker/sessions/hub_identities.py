"""A worker's identity: a key of its own, certified by the hub for one job.

The token that its agent got for it is of use to one key only. So the key is written down before the token is used: a
container that is started again asks with the same key.
"""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_protocol.hub.hub_client import EnrolmentClient
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.identities import keys, renewals
from fedjobs_protocol.identities.identities import Identity


class WorkerIdentity:
    """Gets and renews the identity of this process.

    Args:
        link: To the hub.
        token: File with the one-time token.
        trust: File with the issuers of the hub's certificate, PEM.
        state: Folder that outlives this process.
        clock: UTC.
    """

    def __init__(
        self, link: HubLink, token: Path, trust: Path, state: Path, clock: renewals.Clock = renewals.now
    ) -> None:
        self._link = link
        self._token = token
        self._trust = trust
        self._folder = state / "identity"
        self._clock = clock

    def obtain(self) -> Identity:
        """The identity that was kept, where it still counts, else a new one.

        Raises:
            FedjobsError: TOKEN_REFUSED; what else the hub says; UNAVAILABLE.
        """
        kept = self._kept()
        if kept is not None and kept.expires > self._clock():
            return kept
        with self._link.enrolment(kept.trust if kept else _content(self._trust)) as enrolment:
            return self._saved(self._issued(enrolment))

    def renew(self, identity: Identity) -> Identity:
        """The next identity; once the last one has expired, by the token again, which knows this key."""
        return self._saved(self._link.renewed(identity, self._issued, self._clock))

    def _issued(self, enrolment: EnrolmentClient) -> Identity:
        return enrolment.issue_worker(_content(self._token).decode().strip(), self._key())

    def _key(self) -> bytes:
        path = self._folder / "tls.key"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, keys.create())
        return path.read_bytes()

    def _kept(self) -> Identity | None:
        return Identity.load(self._folder) if (self._folder / "tls.crt").exists() else None

    def _saved(self, identity: Identity) -> Identity:
        identity.save(self._folder)
        return identity


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.TOKEN_REFUSED, f"{path} cannot be read: {error.strerror}.", "Let the silo's agent make it."
        ) from error
