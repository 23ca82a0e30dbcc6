"""The jobs that silos are invited to, as the operator says it in the jobs' statuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KnownJob:
    """A FederatedJob as it matters to silos.

    Attributes:
        uid: Its UID.
        silos: Names of those that are invited; empty where work is not wanted.
        invitation: What they are told, JSON.
    """

    uid: str
    silos: frozenset[str] = frozenset()
    invitation: bytes = b""


def parsed(body: Mapping[str, Any]) -> KnownJob:
    """Reads a FederatedJob's object; an invitation that is for another job is none."""
    metadata, status = body["metadata"], body.get("status", {})
    invitation = status.get("invitation") or {}
    if "deletionTimestamp" in metadata or invitation.get("jobUid") != metadata["uid"]:
        return KnownJob(metadata["uid"])
    silos = frozenset(row["name"] for row in status.get("silos") or ())
    document = json.dumps(invitation, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return KnownJob(metadata["uid"], silos, document)


def standing(jobs: Iterable[KnownJob], silo: str) -> tuple[str, tuple[bytes, ...]]:
    """All invitations of a silo in the order of the jobs' UIDs, and a tag that names this very list."""
    invited = sorted((job for job in jobs if silo in job.silos), key=lambda job: job.uid)
    documents = tuple(job.invitation for job in invited)
    digests = (hashlib.sha256(document).digest() for document in documents)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:32], documents
