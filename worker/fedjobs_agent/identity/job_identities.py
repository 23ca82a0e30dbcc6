"""What a silo gets from the hub for one job: tokens for its workers, and a certificate with which it declines."""

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
    """With which one worker gets its certificate; the silo's own key is not among it.

    Attributes:
        token: Of use once, for one job.
        trust: PEM, the issuers of the hub's certificate.
        hub: Where to get it.
    """

    token: str = field(repr=False)
    trust: bytes
    hub: HubLink


class JobIdentities:
    """Asks the hub for them. May be used from several threads.

    Args:
        link: To the hub; called when there is an identity.
        renewing: Holds the silo's identity.
    """

    def __init__(self, link: Callable[[], HubLink], renewing: Renewing) -> None:
        self._link = link
        self._renewing = renewing
        self._lock = threading.Lock()
        self._kept: dict[str, Identity] = {}
        self._unused: dict[str, tuple[Credentials, bytes]] = {}
        """Tokens, with the keys that use them, that have got no certificate yet."""

    def credentials(self, job_uid: str) -> Credentials:
        """For one worker of a job that the silo is invited to.

        Raises:
            FedjobsError: The hub is away, or refuses.
        """
        identity, link = self._renewing.current(), self._link()
        with link.hub(identity) as hub:
            return Credentials(hub.create_worker_token(job_uid), identity.trust, link)

    def identity(self, job_uid: str) -> Identity:
        """The identity of a worker, for this process; its key is nowhere else.

        It is kept as long as it is good for, and its token until there is one: the hub gives a silo so many for a
        while, and its workers need theirs.

        Raises:
            FedjobsError: The hub is away, or refuses.
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
            if error.code is not ErrorCode.TOKEN_REFUSED:
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
