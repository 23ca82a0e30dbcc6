"""Certificates for a job's coordinator, and the invitations of its silos.

They are made with new keys each time, so they are created once and never applied again.
"""

from __future__ import annotations

import base64
from typing import Any

from fedjobs_protocol import programs
from fedjobs_protocol.identities import Identity, RunAuthority, server_name
from fedjobs_protocol.invitations import Invitation, InvitationGpu
from fedjobs_protocol.jobs import ResolvedJob

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.names import INVITATION, SILO, JobRef


def coordinator_secret(ref: JobRef, authority: RunAuthority) -> dict[str, Any]:
    """The coordinator's certificate and key."""
    identity = authority.issue_coordinator(ref.uid, server_name(ref.uid))
    return _secret(ref.metadata(ref.certificate, "coordinator"), identity, {})


def invitation_secret(
    ref: JobRef, job: FederatedJob, resolved: ResolvedJob, silo: str, authority: RunAuthority
) -> dict[str, Any]:
    """What a silo needs to take part, and nothing else: an invitation, and a certificate for this one job."""
    program = resolved.program
    invitation = Invitation(
        job_uid=ref.uid,
        job_name=ref.name,
        requested_by=resolved.requested_by,
        program=program.name or program.entrypoint or "a computation",
        datasets=programs.datasets(program.name, resolved.dataset, program.parameters),
        address=ref.address,
        server_name=server_name(ref.uid),
        gpu=InvitationGpu(mode=job.spec.worker.gpu.mode, count=job.spec.worker.gpu.count),
    )
    metadata = ref.metadata(ref.invitation(silo), "invitation")
    metadata["labels"] |= {INVITATION: "true", SILO: silo}
    document = invitation.model_dump_json(by_alias=True).encode()
    return _secret(metadata, authority.issue_silo(ref.uid, silo), {"invitation.json": document})


def _secret(metadata: dict[str, Any], identity: Identity, more: dict[str, bytes]) -> dict[str, Any]:
    entries = {"tls.crt": identity.certificate, "tls.key": identity.key, "ca.crt": identity.trust} | more
    data = {name: base64.b64encode(content).decode() for name, content in entries.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "immutable": True,
        "data": data,
    }
