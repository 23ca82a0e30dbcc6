"""The invitations of silos: Secrets with the token, and the command that installs the silo with it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api import times
from fedjobs_api.silos import Enrolment
from fedjobs_api.times import Time
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.hub.silo_tokens import SiloToken

from fedjobs_hub import names
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.settings import Settings

_EXPIRES = "fedjobs.dev/expires"
_HASH = "fedjobs.dev/token-hash"


@dataclass(frozen=True)
class SiloInvitation:
    """An invitation without its secret.

    Attributes:
        uid: The uid of the Secret.
        name: The name of the Secret.
        silo: The name of the silo.
        silo_uid: The uid of the Silo at that time.
        invited_again: The value of the request for a new token that led to this invitation.
        token_hash: The hash of the token's secret.
        expires: The time when the token expires.
    """

    uid: str
    name: str
    silo: str
    silo_uid: str
    invited_again: str
    token_hash: str
    expires: Time

    def is_for(self, silo: KnownSilo) -> bool:
        """Returns whether the silo waits for this invitation."""
        return (self.silo_uid, self.invited_again) == (silo.uid, silo.invite_again)

    def is_over(self, silo: KnownSilo | None, now: Time) -> bool:
        """Returns whether the invitation is no longer needed: it was used, has expired, or is not the Silo's."""
        if silo is None or self.expires < now or self.silo_uid != silo.uid:
            return True
        return not silo.needs_invitation and (silo.key is not None or silo.enrolment.token_hash != self.token_hash)

    def enrolment(self) -> Enrolment:
        """Returns the enrolment for the Silo's status."""
        return Enrolment(
            token_hash=self.token_hash,
            token_expiration_time=times.written(self.expires),
            last_handled_invite_again=self.invited_again or None,
        )


def parsed(body: Mapping[str, Any]) -> SiloInvitation:
    """Parses a Secret that `new` returned."""
    metadata = body["metadata"]
    annotations = metadata["annotations"]
    return SiloInvitation(
        uid=metadata["uid"],
        name=metadata["name"],
        silo=metadata["labels"][names.SILO],
        silo_uid=metadata["ownerReferences"][0]["uid"],
        invited_again=annotations.get(names.INVITE_AGAIN, ""),
        token_hash=annotations[_HASH],
        expires=times.read(annotations[_EXPIRES]),
    )


def new(silo: KnownSilo, trust: bytes, settings: Settings, now: Time) -> dict[str, Any]:
    """Returns the Secret of a new invitation, with a new token.

    Args:
        silo: The invited silo.
        trust: The issuers of the hub's certificate, in PEM.
        settings: The settings of the federation.
        now: The current time.
    """
    expires = times.written(now + settings.lifetimes.token)
    token = SiloToken(
        silo=silo.name,
        address=settings.address,
        front_door=settings.front_door,
        trust=trust.decode(),
        secret=silo_tokens.new_secret(),
        expires=expires,
    )
    annotations = {_EXPIRES: expires, _HASH: silo_tokens.hashed(token.secret)}
    if silo.invite_again:
        annotations[names.INVITE_AGAIN] = silo.invite_again
    entries = {"token": token.encoded(), "command": command(settings.silo_chart, token.encoded())}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.invitation(silo.name),
            "namespace": settings.own_namespace,
            "labels": {**names.LABELS, names.ROLE: names.INVITATION, names.SILO: silo.name},
            "annotations": annotations,
            "ownerReferences": [silo.owner()],
        },
        "type": "Opaque",
        "immutable": True,
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in entries.items()},
    }


def command(chart: str, token: str) -> str:
    """Returns the command for the silo's administrator. `silo.yaml` has the silo's datasets and policy."""
    return (
        f"helm install fedjobs-silo {chart} --namespace fedjobs-silo --create-namespace"
        f" --values silo.yaml --set-string token={token}"
    )
