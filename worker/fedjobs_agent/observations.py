"""What an agent sees of its workers: Jobs and pods of the API, as far as decisions depend on them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from fedjobs_worker import last_words
from fedjobs_worker.last_words import LastWord

from fedjobs_agent.names import GPU, INVITATION_ID

SESSION = "session"
"""The container whose end is the worker's."""


@dataclass(frozen=True)
class Worker:
    """The Job of a worker.

    Attributes:
        name: Of the Job.
        uid: Of the Job.
        invitation_id: What it was made for.
        gpu: Whether it asks for a GPU.
        finished_at: When it ended for good, seconds since 1970; None: it did not.
        succeeded: It ended by itself, with a last word.
        ending: It is being deleted.
    """

    name: str
    uid: str
    invitation_id: str
    gpu: bool = False
    finished_at: float | None = None
    succeeded: bool = False
    ending: bool = False


@dataclass(frozen=True)
class WorkerPod:
    """A pod of a worker.

    Attributes:
        job_uid: Of its Job.
        unschedulable_since: When the scheduler first found no node; None: it has one, or was not looked at.
        unschedulable_message: The scheduler's words.
        last_word: Of its session, at its end.
        gone_by: When a pod that is being deleted should be gone; None: it is not.
    """

    job_uid: str
    unschedulable_since: float | None = None
    unschedulable_message: str = ""
    last_word: LastWord | None = None
    gone_by: float | None = None


def worker_of(job: dict[str, Any]) -> Worker:
    """The worker of a Job."""
    metadata, status = job["metadata"], job.get("status") or {}
    annotations = metadata.get("annotations") or {}
    ends = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    end = ends.get("Complete") or ends.get("Failed")
    return Worker(
        name=metadata["name"],
        uid=metadata["uid"],
        invitation_id=annotations.get(INVITATION_ID, ""),
        gpu=annotations.get(GPU) == "true",
        finished_at=_seconds(end.get("lastTransitionTime")) or 0.0 if end else None,
        succeeded="Complete" in ends,
        ending="deletionTimestamp" in metadata,
    )


def pod_of(pod: dict[str, Any]) -> WorkerPod:
    """The pod of a worker."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    owner = next((o["uid"] for o in metadata.get("ownerReferences") or () if o.get("controller")), "")
    scheduled: dict[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "PodScheduled"), {})
    unschedulable = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    sessions = [c for c in status.get("containerStatuses") or () if c["name"] == SESSION]
    ended: dict[str, Any] = next(
        (c["state"]["terminated"] for c in sessions if "terminated" in (c.get("state") or {})), {}
    )
    return WorkerPod(
        job_uid=owner,
        unschedulable_since=_seconds(scheduled.get("lastTransitionTime")) if unschedulable else None,
        unschedulable_message=str(scheduled.get("message", "")) if unschedulable else "",
        last_word=last_words.parse(ended.get("message") or ""),
        gone_by=_seconds(metadata.get("deletionTimestamp")),
    )


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.datetime.fromisoformat(timestamp).timestamp()
