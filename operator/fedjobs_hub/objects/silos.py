"""The parts of a Silo that the hub uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import API_VERSION
from fedjobs_api.silos import Enrolment, SiloStatus

from fedjobs_hub.names import INVITE_AGAIN


@dataclass(frozen=True)
class KnownSilo:
    """A Silo at a resource version.

    Attributes:
        name: The silo's name.
        uid: The uid. A Silo that is created again with the same name has another uid.
        version: The resourceVersion.
        generation: The generation of the spec.
        suspended: Whether the silo is suspended or being deleted.
        invite_again: The value of the annotation that requests a new token, or an empty string.
        status: The whole status.
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
        """Whether the hub must create a token for the silo."""
        enrolment = self.enrolment
        asked = bool(self.invite_again) and self.invite_again != enrolment.last_handled_invite_again
        return enrolment.token_hash is None or asked

    @property
    def key(self) -> str | None:
        """The fingerprint of the silo's key. None if the silo has not enrolled, or needs a new token."""
        return None if self.needs_invitation else self.enrolment.key_fingerprint

    def owner(self) -> dict[str, Any]:
        """Returns an owner reference, so that the cluster deletes the object together with the Silo."""
        return {"apiVersion": API_VERSION, "kind": "Silo", "name": self.name, "uid": self.uid}


def parsed(body: Mapping[str, Any]) -> KnownSilo:
    """Parses a Silo."""
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
