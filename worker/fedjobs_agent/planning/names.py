"""Names and labels of an agent's objects."""

from __future__ import annotations

import hashlib

from fedjobs_common.outside_names import path_part

JOB, JOB_UID, SILO = "fedjobs.dev/job", "fedjobs.dev/job-uid", "fedjobs.dev/silo"
INVITATION_ID, GPU = "fedjobs.dev/invitation-id", "fedjobs.dev/gpu"
"""Annotations of a worker: its invitation, and whether it requests a GPU."""
MANAGER = "fedjobs-agent"
IDENTITY = "fedjobs-identity"
"""The Secret with the agent's key and certificate. Only the agent creates it."""

_LONGEST = 63  # the name of a Job is a label value of its pods
_HASH = 16
_UID = 8


def workers_of(silo: str) -> str:
    """Returns a selector for the Jobs and pods of a silo's workers."""
    return f"app.kubernetes.io/managed-by={MANAGER},app.kubernetes.io/component=worker,{SILO}={silo}"


def labels(job_name: str, job_uid: str, silo: str) -> dict[str, str]:
    """Returns the labels of a worker's Job and pod."""
    return {
        "app.kubernetes.io/name": "fedjobs",
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/component": "worker",
        JOB: job_name,
        JOB_UID: job_uid,
        SILO: silo,
    }


def worker(job_name: str, job_uid: str, silo: str) -> str:
    """Returns the name of a silo's worker for a job. It is deterministic, so that a worker is never created twice.

    The federation may have several jobs with the same name, in different namespaces or one after the other. The name
    contains part of the uid to distinguish them. It can also be the name of a folder.

    Raises:
        ValueError: One of the names has a character that no name of an object has.
    """
    uid = job_uid.replace("-", "").lower()[:_UID]
    plain = f"{job_name}-{silo}-{uid}"
    if len(plain) <= _LONGEST and "." not in plain:
        return path_part(plain)
    # A pod's host name cannot contain a dot. The hash keeps truncated and replaced names unique.
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_HASH]
    return path_part(f"{plain.replace('.', '-')[: _LONGEST - _HASH - 1].rstrip('-')}-{digest}")
