"""A Silo as it matters to the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import API_VERSION
from fedjobs_api.silos import Enrolment, SiloStatus

from fedjobs_hub.names import INVITE_AGAIN


@dataclass(frozen=True)
class KnownSilo:
    """A Silo of some moment.

    Attributes:
        name: Its name.
        uid: Of this very object: one that is made anew under the same name is another.
        version: Its resourceVersion.
        generation: Of its spec.
        suspended: Whether it is to be dropped; one that is being deleted is, too.
        invite_again: The value of the annotation that asks for it; empty: none.
        status: Its whole status.
    """

    name: str
    uid: str
    version: str
    generation: int
    suspended: bool
    invite_again: str
    status: SiloStatus

    @property
    def enrolment(self) -> Enrolment:
        return self.status.enrolment or Enrolment()

    @property
    def needs_invitation(self) -> bool:
        """Whether a token is to be made for it that there is not yet."""
        enrolment = self.enrolment
        asked = bool(self.invite_again) and self.invite_again != enrolment.last_handled_invite_again
        return enrolment.token_hash is None or asked

    @property
    def key(self) -> str | None:
        """Fingerprint of the one key that counts; None: it has not enrolled, or is to be invited again."""
        return None if self.needs_invitation else self.enrolment.key_fingerprint

    def owner(self) -> dict[str, Any]:
        """Makes the cluster delete what carries it together with the Silo."""
        return {"apiVersion": API_VERSION, "kind": "Silo", "name": self.name, "uid": self.uid}


def parsed(body: Mapping[str, Any]) -> KnownSilo:
    """Reads a Silo's object."""
    metadata = body["metadata"]
    return KnownSilo(
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        suspended=bool(body.get("spec", {}).get("suspend", False)) or "deletionTimestamp" in metadata,
        invite_again=metadata.get("annotations", {}).get(INVITE_AGAIN, ""),
        status=SiloStatus.model_validate(body.get("status", {})),
    )
