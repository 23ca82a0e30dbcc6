"""How a silo's processes reach the hub: one address, two names behind it."""

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

_NEARLY_OVER = datetime.timedelta(minutes=15)  # by a clock that may be wrong
_REFUSED = frozenset({ErrorCode.CERTIFICATE_EXPIRED, ErrorCode.WRONG_CERTIFICATE})


@dataclass(frozen=True)
class HubLink:
    """The way to a federation's hub.

    Attributes:
        address: `host:port` to dial.
        front_door: The hub's name, and the end of its other one.
    """

    address: str
    front_door: str

    @contextlib.contextmanager
    def enrolment(self, trust: bytes) -> Iterator[EnrolmentClient]:
        """The calls of who has no certificate; `trust` is PEM."""
        with open_enrolment_channel(self.address, enrolment_name(self.front_door), trust) as channel:
            yield EnrolmentClient(channel)

    @contextlib.contextmanager
    def hub(self, identity: Identity) -> Iterator[HubClient]:
        """The calls of who has one, on a connection of its own."""
        with open_channel(self.address, self.front_door, identity) as channel:
            yield HubClient(channel)

    def renewed(
        self,
        identity: Identity,
        once_expired: Callable[[EnrolmentClient], Identity],
        clock: renewals.Clock = renewals.now,
    ) -> Identity:
        """The next identity for the same key.

        Args:
            identity: The current one.
            once_expired: How to get one where the current one does not count any more.
            clock: UTC.

        Raises:
            FedjobsError: There is none now.
        """
        try:
            with self.hub(identity) as hub:
                return hub.renew(identity)
        except FedjobsError as error:
            # An expired certificate is refused in the handshake, which looks like a hub that is away.
            perhaps_expired = error.code is ErrorCode.UNAVAILABLE and identity.expires - clock() < _NEARLY_OVER
            if error.code not in _REFUSED and not perhaps_expired:
                raise
        with self.enrolment(identity.trust) as enrolment:
            return once_expired(enrolment)
