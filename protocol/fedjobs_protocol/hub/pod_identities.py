"""Identities of pods of the federation's own cluster: the coordinators' and the operator's.

Who they are is said by a token of their ServiceAccount that Kubernetes binds to the pod and renews in its file. So
there is no renewal of its own: the hub is asked again, with the token as it is then. The key is nowhere but here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_protocol.hub.hub_client import EnrolmentClient
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.channels import open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity

Issue = Callable[[EnrolmentClient, str, bytes], Identity]
"""`EnrolmentClient.issue_coordinator` or `issue_operator`."""


@dataclass(frozen=True)
class PodIdentities:
    """Asks the hub, for `fedjobs_protocol.identities.renewals.Renewing`; blocks.

    Attributes:
        hub: `host:port` to dial.
        hub_name: The name in the hub's certificate, for who has none yet.
        token: The file of the pod's token.
        trust: PEM as it is now, the issuers of the hub's certificate; empty: not known yet.
        issue: The call.
    """

    hub: str
    hub_name: str
    token: Path
    trust: Callable[[], bytes]
    issue: Issue

    def obtain(self) -> Identity:
        """The first identity, for a new key.

        Raises:
            FedjobsError: What the hub says, or UNAVAILABLE: it, or what is needed to ask it, is not there yet.
        """
        return self._issued(keys.create())

    def renew(self, identity: Identity) -> Identity:
        """The next identity, for the same key; raises as `obtain`."""
        return self._issued(identity.key)

    def _issued(self, key: bytes) -> Identity:
        trust = self.trust()
        if not trust.strip():
            raise FedjobsError(
                ErrorCode.UNAVAILABLE, "Whom to trust is not known yet.", "Look whether the hub runs, which says it."
            )
        with open_enrolment_channel(self.hub, self.hub_name, trust, proxy=False) as channel:
            return self.issue(EnrolmentClient(channel), contents(self.token).decode().strip(), key)


def contents(file: Path) -> bytes:
    """What a mounted file has now.

    Raises:
        FedjobsError: UNAVAILABLE.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"{file} cannot be read: {error.strerror}.", "Look at the pod's volumes."
        ) from error
