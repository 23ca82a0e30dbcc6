"""The claim that outlives a coordinator's pods: checkpoints, spool, and the result where no other place is named."""

from __future__ import annotations

from typing import Any

from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef


def claim(ref: JobRef, job: FederatedJob) -> dict[str, Any]:
    """The claim's manifest. One with an owner is deleted together with the job.

    That is so from the beginning only where the job asks for it: until the result is confirmed where it was exported
    to, the claim has the only copy, and nothing that happens to the job may take it along.
    """
    storage = job.spec.coordinator.storage
    spec: dict[str, Any] = {
        "accessModes": [storage.access_mode],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    metadata = ref.metadata(ref.claim, "coordinator", owned=_when_deleted(job) == "Delete")
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def is_deleted_once_exported(job: FederatedJob) -> bool:
    """Whether the claim has nothing of worth any more when the result was exported, and the job does not want it."""
    output = job.spec.output
    return _when_deleted(job) is None and (output.uri is not None or output.persistent_volume_claim is not None)


def _when_deleted(job: FederatedJob) -> str | None:
    return job.spec.coordinator.storage.when_deleted
