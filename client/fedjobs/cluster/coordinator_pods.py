"""Finds the coordinator pods of a job. Each attempt is a Kubernetes Job with one pod."""

from __future__ import annotations

from collections.abc import Sequence

from fedjobs_api.names import ATTEMPT, JOB_UID
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs.cluster import job_statuses
from fedjobs.cluster.api_errors import explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection
from fedjobs.cluster.federated_jobs import Body


def _selector(job: Body) -> str:
    return f"{JOB_UID}={job['metadata']['uid']},app.kubernetes.io/component=coordinator"


def pods(connection: Connection, job: Body) -> list[Body]:
    """Returns the job's coordinator pods, sorted by attempt and creation time."""
    with explained(f"Cannot list the pods of the job {job['metadata']['name']}"):
        found = connection.core.list_namespaced_pod(
            job["metadata"]["namespace"], label_selector=_selector(job), _request_timeout=TIMEOUT_S
        )
    items: list[Body] = connection.plain(found)["items"]
    return sorted(items, key=lambda pod: (attempt_of(pod), pod["metadata"]["creationTimestamp"]))


def newest_job(connection: Connection, job: Body) -> Body | None:
    """Returns the Kubernetes Job of the last attempt, or None if there is none."""
    with explained(f"Cannot list the attempts of the job {job['metadata']['name']}"):
        found = connection.batch.list_namespaced_job(
            job["metadata"]["namespace"], label_selector=_selector(job), _request_timeout=TIMEOUT_S
        )
    return max(connection.plain(found)["items"], key=attempt_of, default=None)


def attempt_of(child: Body) -> int:
    """Returns the number of the attempt that a Job or a pod belongs to."""
    try:
        return int(child["metadata"].get("labels", {}).get(ATTEMPT, "0"))
    except ValueError:
        return 0


def choose(job: Body, found: Sequence[Body], attempt: int | None = None, *, previous: bool = False) -> Body:
    """Returns the pod of an attempt, by default of the last one.

    Args:
        job: The job.
        found: The job's coordinator pods, sorted by attempt.
        attempt: The number of the attempt.
        previous: Whether to choose the attempt before the last one.

    Raises:
        FedjobsError: INVALID_JOB if there is no such pod. The remedy lists the attempts that have one.
    """
    name = job["metadata"]["name"]
    if not found:
        word, (reason, message) = job_statuses.phase(job) or "new", job_statuses.explanation(job)
        why = ": ".join(part for part in (reason, message) if part)
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"The job {name} has no coordinator pod: it is {word}" + (f" ({why.rstrip('.')})." if why else "."),
            f"Watch the job with: fedjobs watch {name}",
        )
    attempts = sorted({attempt_of(pod) for pod in found})
    if previous:
        attempt = attempts[-2] if len(attempts) > 1 else attempts[-1] - 1
    wanted = attempts[-1] if attempt is None else attempt
    if wanted not in attempts:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"The job {name} has no pod of attempt {wanted}." if wanted > 0 else f"The job {name} has no earlier pod.",
            f"Choose one of its attempts with --attempt: {', '.join(map(str, attempts))}.",
        )
    return [pod for pod in found if attempt_of(pod) == wanted][-1]


def waits_for(pod: Body) -> str:
    """Returns why the pod does not run yet, from its containers or its scheduling. Empty if no reason is known."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason"):
            return ": ".join(part for part in (waiting["reason"], waiting.get("message", "")) if part)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return str(status.get("message", ""))
