"""Suspends, resumes and cancels jobs. Each function returns a message for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_api.names import JobRef
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs.cluster import job_statuses
from fedjobs.cluster.federated_jobs import Body, FederatedJobs


def suspend(jobs: FederatedJobs, name: str) -> str:
    """Suspends a job. Returns a message for the user.

    Raises:
        FedjobsError: INVALID_JOB if there is no such job, or if it has ended. UNAVAILABLE.
    """
    job = _not_over(jobs, name, "suspended")
    if job["spec"].get("suspend", False):
        return f"The job {name} is already suspended{_after(job)}."
    jobs.suspend(job, suspend=True)
    return (
        f"The job {name} is being suspended{_after(job)}. Its coordinator and workers end, and its completed rounds "
        f"are kept. Resume it with: fedjobs resume {name}"
    )


def resume(jobs: FederatedJobs, name: str) -> str:
    """Resumes a suspended job. Returns a message for the user.

    Raises:
        FedjobsError: The errors of `suspend`.
    """
    job = _not_over(jobs, name, "resumed")
    if not job["spec"].get("suspend", False):
        return f"The job {name} is not suspended: it is {job_statuses.phase(job) or 'new'}{_after(job)}."
    jobs.suspend(job, suspend=False)
    done = job_statuses.status_of(job).completed_rounds
    where = f"continues with round {done + 1}" if done else "starts from the beginning"
    return f"The job {name} {where}. Watch it with: fedjobs watch {name}"


def cancel(jobs: FederatedJobs, job: Body) -> str:
    """Deletes a job, whether it runs or not. Returns a message for the user, which says what is kept."""
    jobs.delete(job)
    return f"The job {job['metadata']['name']} is being deleted. {kept(job)}"


def kept(job: Body) -> str:
    """Returns a sentence that says what is kept when the job is deleted."""
    spec = job["spec"]
    output = spec.get("output") or {}
    claim = JobRef(job["metadata"]["namespace"], job["metadata"]["name"], job["metadata"]["uid"]).claim
    result = job_statuses.status_of(job).result
    exported = f"Its result is kept in {result.uri}. " if result is not None and _elsewhere(output) else ""
    if _retained(spec, is_exported=bool(exported)):
        return f"{exported}Its PersistentVolumeClaim {claim} is kept. Delete it with: kubectl delete pvc {claim}"
    return f"{exported}Its PersistentVolumeClaim {claim}, with all checkpoints, is deleted too."


def _retained(spec: Mapping[str, Any], *, is_exported: bool) -> bool:
    """Returns whether the claim is kept. By default, it is kept only if the result is stored nowhere else."""
    written = ((spec.get("coordinator") or {}).get("storage") or {}).get("whenDeleted")
    return bool(written == "Retain" or (written is None and not is_exported))


def _elsewhere(output: Mapping[str, Any]) -> bool:
    return bool(output.get("uri") or output.get("persistentVolumeClaim"))


def _not_over(jobs: FederatedJobs, name: str, what: str) -> Body:
    job = jobs.get(name)
    if (end := job_statuses.end(job)) is not None:
        message = f"The job {name} cannot be {what}: it is {end.value}."
        raise FedjobsError(ErrorCode.INVALID_JOB, message, "To run it again, submit it under another name with --name.")
    if job["metadata"].get("deletionTimestamp"):
        raise FedjobsError(ErrorCode.INVALID_JOB, f"The job {name} cannot be {what}: it is being deleted.")
    return job


def _after(job: Body) -> str:
    done = job_statuses.status_of(job).completed_rounds
    return f" after round {done}" if done else ""
