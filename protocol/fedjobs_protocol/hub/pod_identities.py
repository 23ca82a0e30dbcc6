"""The identities of pods in the federation's cluster: coordinators and the operator.

A pod authenticates with a service account token that Kubernetes binds to the pod and renews in its file. To renew a
certificate, the pod requests one again with the current token. The private key never leaves the pod.
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
    """Requests identities from the hub, for `fedjobs_protocol.identities.renewals.Renewing`. Blocks.

    Attributes:
        hub: `host:port` of the hub's enrolment port.
        hub_name: The name in the hub's certificate on that port.
        token: The file with the pod's token.
        trust: Returns the current issuers of the hub's certificate, as PEM. Empty if they are not known yet.
        issue: The call to the hub.
    """

    hub: str
    hub_name: str
    token: Path
    trust: Callable[[], bytes]
    issue: Issue

    def obtain(self) -> Identity:
        """Returns the first identity, for a new key.

        Raises:
            FedjobsError: The hub's error, or UNAVAILABLE if the hub, its issuers or the token are not available yet.
        """
        return self._issued(keys.create())

    def renew(self, identity: Identity) -> Identity:
        """Returns the next identity for the same key. It raises the same errors as `obtain`."""
        return self._issued(identity.key)

    def _issued(self, key: bytes) -> Identity:
        trust = self.trust()
        if not trust.strip():
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                "The issuers of the hub's certificate are not known yet.",
                "Check the hub's pods.",
            )
        with open_enrolment_channel(self.hub, self.hub_name, trust, proxy=False) as channel:
            return self.issue(EnrolmentClient(channel), contents(self.token).decode().strip(), key)


def contents(file: Path) -> bytes:
    """Returns the current content of a mounted file.

    Raises:
        FedjobsError: UNAVAILABLE.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"{file} cannot be read: {error.strerror}.", "Check the pod's volumes."
        ) from error
