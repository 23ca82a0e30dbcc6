"""Connects a silo's processes to the hub, which has two names behind one address."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_protocol.hub.hub_client import EnrolmentClient, HubClient
from fedjobs_protocol.identities import renewals
from fedjobs_protocol.identities.channels import open_channel, open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity, enrolment_name

_NEARLY_OVER = datetime.timedelta(minutes=15)  # this machine's clock may be wrong
_REFUSED = frozenset({ErrorCode.CERTIFICATE_EXPIRED, ErrorCode.INVALID_CERTIFICATE})


@dataclass(frozen=True)
class HubLink:
    """Opens connections to a federation's hub.

    Attributes:
        address: `host:port` to connect to.
        front_door: The hub's name. Its enrolment name is a subdomain of it.
    """

    address: str
    front_door: str

    @contextlib.contextmanager
    def enrolment(self, trust: bytes) -> Iterator[EnrolmentClient]:
        """Opens a connection without a client certificate. `trust` is PEM."""
        with open_enrolment_channel(self.address, enrolment_name(self.front_door), trust) as channel:
            yield EnrolmentClient(channel)

    @contextlib.contextmanager
    def hub(self, identity: Identity) -> Iterator[HubClient]:
        """Opens a connection with a client certificate."""
        with open_channel(self.address, self.front_door, identity) as channel:
            yield HubClient(channel)

    def renewed(
        self,
        identity: Identity,
        once_expired: Callable[[EnrolmentClient], Identity],
        clock: renewals.Clock = renewals.now,
    ) -> Identity:
        """Returns the next identity for the same key.

        Args:
            identity: The current identity.
            once_expired: Requests the next identity if the current one has expired or is rejected.
            clock: Returns the current time in UTC.

        Raises:
            FedjobsError: The hub issued no certificate.
        """
        try:
            with self.hub(identity) as hub:
                return hub.renew(identity)
        except FedjobsError as error:
            # The TLS handshake rejects an expired certificate. The error looks the same as that of an unavailable hub.
            perhaps_expired = error.code is ErrorCode.UNAVAILABLE and identity.expires - clock() < _NEARLY_OVER
            if error.code not in _REFUSED and not perhaps_expired:
                raise
        with self.enrolment(identity.trust) as enrolment:
            return once_expired(enrolment)
