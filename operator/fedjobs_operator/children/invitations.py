"""What the silos of a job are told about it, word for word: the hub hands it out as it is."""

from __future__ import annotations

from typing import Any

from fedjobs_protocol import programs
from fedjobs_protocol.invitations import Invitation, InvitationGpu
from fedjobs_protocol.jobs import ResolvedJob

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.names import JobRef
from fedjobs_operator.settings import FrontDoor


def invitation(ref: JobRef, job: FederatedJob, resolved: ResolvedJob, front_door: FrontDoor) -> dict[str, Any]:
    """The invitation as it is written into the job's status."""
    program = resolved.program
    rounds = program.parameters.get("rounds") if program.name else None
    words = Invitation(
        job_uid=ref.uid,
        job_name=ref.name,
        namespace=ref.namespace,
        requested_by=resolved.requested_by,
        program=program.name or program.entrypoint or "",
        datasets=programs.datasets(program.name, resolved.dataset, program.parameters),
        rounds=rounds if isinstance(rounds, int) else None,
        min_silos=resolved.cohort.min_silos,
        address=front_door.address,
        server_name=front_door.server_name(ref.uid),
        gpu=InvitationGpu(mode=job.spec.worker.gpu.mode, count=job.spec.worker.gpu.count),
    )
    return words.model_dump(mode="json", by_alias=True, exclude_none=True)
