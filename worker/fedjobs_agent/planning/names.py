"""Names and labels of what an agent makes, and of what it looks for."""

from __future__ import annotations

import hashlib

JOB, JOB_UID, SILO = "fedjobs.dev/job", "fedjobs.dev/job-uid", "fedjobs.dev/silo"
INVITATION_ID, GPU = "fedjobs.dev/invitation-id", "fedjobs.dev/gpu"
"""Annotations of a worker: the invitation that it was made for, and whether it asks for a GPU."""
MANAGER = "fedjobs-agent"
IDENTITY = "fedjobs-identity"
"""The Secret where an agent keeps its key and certificate, which nobody else makes."""

_LONGEST = 63  # a Job's name is a label's value of its pods
_HASH = 16
_UID = 8


def workers_of(silo: str) -> str:
    """Selects the Jobs and pods of a silo's workers."""
    return f"app.kubernetes.io/managed-by={MANAGER},app.kubernetes.io/component=worker,{SILO}={silo}"


def labels(job_name: str, job_uid: str, silo: str) -> dict[str, str]:
    """Of a worker's Job and pod."""
    return {
        "app.kubernetes.io/name": "fedjobs",
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/component": "worker",
        JOB: job_name,
        JOB_UID: job_uid,
        SILO: silo,
    }


def worker(job_name: str, job_uid: str, silo: str) -> str:
    """The name of a silo's worker for a job: always the same, so that it is never made twice.

    The federation may have jobs of the same name in several namespaces, one after the other too: the UID tells them
    apart.
    """
    uid = job_uid.replace("-", "").lower()[:_UID]
    plain = f"{job_name}-{silo}-{uid}"
    if len(plain) <= _LONGEST and "." not in plain:
        return plain
    # A dot is no part of a pod's host name. What was cut or replaced is told apart by the hash.
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_HASH]
    return f"{plain.replace('.', '-')[: _LONGEST - _HASH - 1].rstrip('-')}-{digest}"
