"""Where an agent's invitations come from.

In this version the operator puts them into Secrets of the silo's namespace, with the certificate for the one job.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from fedjobs_protocol.identities import Identity
from fedjobs_protocol.invitations import Invitation
from pydantic import ValidationError

from fedjobs_agent import names
from fedjobs_agent.cluster import Cluster

_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Received:
    """An invitation that stands.

    Attributes:
        id: Another one when the invitation is made again, or says something else.
        invitation: What it says.
        silo: Which is invited.
        secret: Name of the Secret that a worker mounts: tls.crt, tls.key, ca.crt, invitation.json.
        secret_uid: Of that Secret.
        identity: For the one job that it is about; the agent needs it only to decline.
    """

    id: str
    invitation: Invitation
    silo: str
    secret: str
    secret_uid: str
    identity: Identity = field(repr=False, compare=False)


class Invitations(Protocol):
    """A source of invitations for one silo."""

    def current(self) -> Sequence[Received]:
        """Those that stand now; one that is not here any more is withdrawn.

        Raises:
            FedjobsError: They are not known at the moment.
        """


class SecretInvitations:
    """Invitations in Secrets of the agent's namespace.

    Args:
        cluster: Of the silo.
        silo: Whose.
    """

    def __init__(self, cluster: Cluster, silo: str) -> None:
        self._cluster = cluster
        self._silo = silo
        self._malformed: frozenset[str] = frozenset()

    def current(self) -> list[Received]:
        secrets = self._cluster.secrets(names.invitations_of(self._silo))
        parsed = {secret["metadata"]["name"]: _received(secret, self._silo) for secret in secrets}
        malformed = frozenset(name for name, received in parsed.items() if received is None)
        for name in malformed - self._malformed:
            _LOG.error("this Secret is not an invitation; it is left alone", secret=name)
        self._malformed = malformed
        return [received for received in parsed.values() if received is not None]


def _received(secret: dict[str, Any], silo: str) -> Received | None:
    metadata, data = secret["metadata"], secret.get("data") or {}
    if metadata.get("deletionTimestamp"):
        return None
    try:
        keys = ("invitation.json", "tls.crt", "tls.key", "ca.crt")
        content, certificate, key, trust = (base64.b64decode(data[name], validate=True) for name in keys)
        invitation = Invitation.model_validate_json(content)
    except (KeyError, binascii.Error, ValidationError):
        return None
    digest = hashlib.sha256(content).hexdigest()[:12]
    uid = metadata["uid"]
    return Received(f"{uid}.{digest}", invitation, silo, metadata["name"], uid, Identity(certificate, key, trust))
