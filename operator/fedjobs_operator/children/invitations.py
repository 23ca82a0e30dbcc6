"""What the silos of a job are told about it, word for word: the hub hands it out as it is."""

from __future__ import annotations

from typing import Any

from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.hub.invitations import InvitationGpu
from fedjobs_protocol.hub.job_invitations import invitation_to

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.names import JobRef
from fedjobs_operator.settings import FrontDoor


def invitation(ref: JobRef, job: FederatedJob, resolved: ResolvedJob, front_door: FrontDoor) -> dict[str, Any]:
    """The invitation as it is written into the job's status."""
    gpu = job.spec.worker.gpu
    words = invitation_to(
        resolved,
        address=front_door.address,
        server_name=front_door.server_name(ref.uid),
        namespace=ref.namespace,
        gpu=InvitationGpu(mode=gpu.mode, count=gpu.count),
    )
    return words.model_dump(mode="json", by_alias=True, exclude_none=True)
