"""Creates the invitation to a resolved job, on a cluster and on one machine."""

from __future__ import annotations

from fedjobs_common import programs
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_protocol.hub.invitations import Invitation, InvitationGpu


def invitation_to(
    job: ResolvedJob, *, address: str, server_name: str, namespace: str = "", gpu: InvitationGpu | None = None
) -> Invitation:
    """Returns the invitation, which is the same for all silos.

    Args:
        job: The resolved job.
        address: `host:port` of the coordinator.
        server_name: The name in the coordinator's certificate.
        namespace: The namespace of the job, on a cluster.
        gpu: Whether the job asks for GPUs.
    """
    program = job.program
    rounds = program.parameters.get("rounds") if program.name else None
    return Invitation(
        job_uid=job.uid,
        job_name=job.name,
        namespace=namespace,
        requested_by=job.requested_by,
        program=program.name or program.entrypoint or "",
        datasets=programs.datasets(program.name, job.dataset, program.parameters),
        rounds=rounds if isinstance(rounds, int) else None,
        min_silos=job.cohort.min_silos,
        address=address,
        server_name=server_name,
        gpu=gpu or InvitationGpu(),
    )
