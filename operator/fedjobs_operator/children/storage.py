"""The coordinator's claim. It outlives the pods, and holds checkpoints, reports, and a result without other output."""

from __future__ import annotations

from typing import Any

from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef


def claim(ref: JobRef, job: FederatedJob) -> dict[str, Any]:
    """Returns the manifest of the claim. A claim with an owner reference is deleted together with the job.

    It is created with an owner reference only if `whenDeleted` is `Delete`. Until the exported result is confirmed, the
    claim holds the only copy, so deleting the job must not delete it.
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
    """Returns whether the claim is deleted with the job after the result was exported.

    It is if the result is exported to another location and `whenDeleted` is not set.
    """
    output = job.spec.output
    return _when_deleted(job) is None and (output.uri is not None or output.persistent_volume_claim is not None)


def _when_deleted(job: FederatedJob) -> str | None:
    return job.spec.coordinator.storage.when_deleted
