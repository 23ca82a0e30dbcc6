"""The identity of a worker: its own key, which the hub certifies for one job.

The token from its agent can only be used with one key. So the key is stored before the token is used, and a restarted
container uses the same key.
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
        link: The connection to the hub.
        token: The file with the one-time token.
        trust: The file with the issuers of the hub's certificate, in PEM.
        state: A folder that outlives this process.
        clock: Returns the time in UTC.
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
        """Returns the stored identity if it is valid, else a new one.

        Raises:
            FedjobsError: INVALID_TOKEN, UNAVAILABLE, or another error of the hub.
        """
        kept = self._kept()
        if kept is not None and kept.expires > self._clock():
            return kept
        with self._link.enrolment(kept.trust if kept else _content(self._trust)) as enrolment:
            return self._saved(self._issued(enrolment))

    def renew(self, identity: Identity) -> Identity:
        """Renews an identity. If it has expired, uses the token again, which is bound to this key."""
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
            ErrorCode.INVALID_TOKEN, f"{path} cannot be read: {error.strerror}.", "The silo's agent must create it."
        ) from error
