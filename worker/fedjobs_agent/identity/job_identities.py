"""A silo's credentials for one job: tokens for its workers, and a certificate for sending a decline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.identities import keys, renewals
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.renewals import Renewing

_MOST_UNUSED = 256


@dataclass(frozen=True)
class Credentials:
    """Credentials with which a worker gets its certificate. They do not contain the silo's key.

    Attributes:
        token: A one-time token for one job.
        trust: The issuers of the hub's certificate, in PEM.
        hub: The connection to the hub.
    """

    token: str = field(repr=False)
    trust: bytes
    hub: HubLink


class JobIdentities:
    """Gets credentials from the hub. Thread-safe.

    Args:
        link: Returns the connection to the hub. Called when there is an identity.
        renewing: Renews the silo's identity.
    """

    def __init__(self, link: Callable[[], HubLink], renewing: Renewing) -> None:
        self._link = link
        self._renewing = renewing
        self._lock = threading.Lock()
        self._kept: dict[str, Identity] = {}
        self._unused: dict[str, tuple[Credentials, bytes]] = {}
        """Tokens that have not been used yet, with their keys."""

    def credentials(self, job_uid: str) -> Credentials:
        """Returns credentials for a worker of a job that the silo is invited to.

        Raises:
            FedjobsError: The hub is unreachable or rejects the call.
        """
        identity, link = self._renewing.current(), self._link()
        with link.hub(identity) as hub:
            return Credentials(hub.create_worker_token(job_uid), identity.trust, link)

    def identity(self, job_uid: str) -> Identity:
        """Returns a worker identity for this process, whose key exists only in memory.

        The identity is reused until its renewal time. An unused token is kept for the next call, because the hub limits
        the number of tokens per silo.

        Raises:
            FedjobsError: The hub is unreachable or rejects the call.
        """
        now = renewals.now()
        with self._lock:
            self._kept = {uid: each for uid, each in self._kept.items() if now < each.renewed_at}
            if (kept := self._kept.get(job_uid)) is not None:
                return kept
            unused = self._unused.pop(job_uid, None)
        credentials, key = unused or (self.credentials(job_uid), keys.create())
        try:
            with credentials.hub.enrolment(credentials.trust) as enrolment:
                identity = enrolment.issue_worker(credentials.token, key)
        except FedjobsError as error:
            if error.code is not ErrorCode.INVALID_TOKEN:
                self._keep_unused(job_uid, credentials, key)
            raise
        with self._lock:
            self._kept[job_uid] = identity
        return identity

    def _keep_unused(self, job_uid: str, credentials: Credentials, key: bytes) -> None:
        with self._lock:
            self._unused[job_uid] = credentials, key
            while len(self._unused) > _MOST_UNUSED:
                del self._unused[next(iter(self._unused))]
