"""Suspends, resumes and cancels jobs, and says in sentences what that means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator.names import JobRef

from fedjobs.cluster import job_statuses
from fedjobs.cluster.federated_jobs import Body, FederatedJobs


def suspend(jobs: FederatedJobs, name: str) -> str:
    """Stops a job's coordinator until it is resumed; what happens now, for a person.

    Raises:
        FedjobsError: INVALID_JOB where there is no such job, or it is over; UNAVAILABLE.
    """
    job = _not_over(jobs, name, "suspended")
    if job["spec"].get("suspend", False):
        return f"The job {name} is suspended already{_after(job)}."
    jobs.suspend(job, suspend=True)
    return (
        f"The job {name} is being suspended{_after(job)}: its coordinator and its workers end, what is finished stays. "
        f"It goes on with: fedjobs resume {name}"
    )


def resume(jobs: FederatedJobs, name: str) -> str:
    """Lets a suspended job go on; what happens now, for a person.

    Raises:
        FedjobsError: As `suspend`.
    """
    job = _not_over(jobs, name, "resumed")
    if not job["spec"].get("suspend", False):
        return f"The job {name} is not suspended: it is {job_statuses.phase(job) or 'new'}{_after(job)}."
    jobs.suspend(job, suspend=False)
    done = job_statuses.status_of(job).round
    where = f"with round {done + 1}" if done else "from its beginning"
    return f"The job {name} goes on {where}. See it with: fedjobs watch {name}"


def cancel(jobs: FederatedJobs, job: Body) -> str:
    """Deletes a job, running or not; what is left of it, for a person."""
    jobs.delete(job)
    return f"The job {job['metadata']['name']} is being deleted. {kept(job)}"


def kept(job: Body) -> str:
    """What stays when the job is deleted, in a sentence."""
    spec = job["spec"]
    output = spec.get("output") or {}
    claim = JobRef(job["metadata"]["namespace"], job["metadata"]["name"], job["metadata"]["uid"]).claim
    result = job_statuses.status_of(job).result
    exported = f" Its result stays in {result.uri}." if result is not None and _elsewhere(output) else ""
    if _retained(spec, is_exported=bool(exported)):
        return f"Its storage, the claim {claim}, is kept; remove it with: kubectl delete pvc {claim}{exported}"
    return f"Its storage, the claim {claim} with all checkpoints, is deleted too.{exported}"


def _retained(spec: Mapping[str, Any], *, is_exported: bool) -> bool:
    """The claim is deleted with the job where the job says so, or once it is not the only place of the result."""
    written = ((spec.get("coordinator") or {}).get("storage") or {}).get("whenDeleted")
    return bool(written == "Retain" or (written is None and not is_exported))


def _elsewhere(output: Mapping[str, Any]) -> bool:
    return bool(output.get("uri") or output.get("persistentVolumeClaim"))


def _not_over(jobs: FederatedJobs, name: str, what: str) -> Body:
    job = jobs.get(name)
    if (end := job_statuses.end(job)) is not None:
        message = f"The job {name} cannot be {what}: it is {end.value}."
        raise FedjobsError(ErrorCode.INVALID_JOB, message, "Submit it again under another name with --name.")
    if job["metadata"].get("deletionTimestamp"):
        raise FedjobsError(ErrorCode.INVALID_JOB, f"The job {name} cannot be {what}: it is being deleted.")
    return job


def _after(job: Body) -> str:
    done = job_statuses.status_of(job).round
    return f" after round {done}" if done else ""
