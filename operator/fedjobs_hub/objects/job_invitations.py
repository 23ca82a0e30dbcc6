"""The jobs that silos are invited to, from the status that the operator writes.

The invited silos are those of the resolved job. The rows of `status.silos` come from the coordinator, and so from the
author of its program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KnownJob:
    """The part of a FederatedJob that is relevant to silos.

    Attributes:
        uid: The uid of the job.
        silos: The names of the invited silos. Empty if the job does not run.
        invitation: The invitation, in JSON.
    """

    uid: str
    silos: frozenset[str] = frozenset()
    invitation: bytes = b""


def parsed(body: Mapping[str, Any]) -> KnownJob:
    """Parses a FederatedJob. Ignores an invitation with another job's uid."""
    metadata, status = body["metadata"], body.get("status", {})
    invitation = status.get("invitation") or {}
    if "deletionTimestamp" in metadata or invitation.get("jobUid") != metadata["uid"]:
        return KnownJob(metadata["uid"])
    silos = frozenset((status.get("resolved") or {}).get("silos") or ())
    document = json.dumps(invitation, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return KnownJob(metadata["uid"], silos, document)


def standing(jobs: Iterable[KnownJob], silo: str) -> tuple[str, tuple[bytes, ...]]:
    """Returns a tag that identifies the list of a silo's invitations, and the list, sorted by the jobs' uids."""
    invited = sorted((job for job in jobs if silo in job.silos), key=lambda job: job.uid)
    documents = tuple(job.invitation for job in invited)
    digests = (hashlib.sha256(document).digest() for document in documents)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:32], documents
