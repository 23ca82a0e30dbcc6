"""The claim that outlives a coordinator's pods: checkpoints, spool, and the result where no other place is named."""

from __future__ import annotations

from typing import Any

from fedjobs_operator.api.federated_jobs import FederatedJob
from fedjobs_operator.names import JobRef


def claim(ref: JobRef, job: FederatedJob) -> dict[str, Any]:
    """The claim's manifest. A retained one has no owner: it stays when the job is deleted."""
    storage = job.spec.coordinator.storage
    spec: dict[str, Any] = {
        "accessModes": [storage.access_mode],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    metadata = ref.metadata(ref.claim, "coordinator", owned=not is_retained(job))
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def is_retained(job: FederatedJob) -> bool:
    """Whether the claim outlives the job: as the job says, or else where it holds the only copy of the result."""
    wanted = job.spec.coordinator.storage.when_deleted
    if wanted is not None:
        return wanted == "Retain"
    return job.spec.output.uri is None and job.spec.output.persistent_volume_claim is None
