"""The outside view of a coordinator's pod: its container, its exit codes, its folders, and its result's location."""

from __future__ import annotations

from fedjobs_api.cluster_specs import Claim
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef

CONTAINER = "coordinator"
FAILED_FOR_GOOD, CANNOT_START, STORAGE_FAILED, SUSPENDED = 1, 4, 74, 75
"""The coordinator's exit codes."""
OUTPUT, RESULT = "/output", "/state/result"
"""Folders in the container: the mounted claim of `spec.output`, and the result in the coordinator's own claim."""


def expected_uri(ref: JobRef, job: FederatedJob) -> str:
    """Returns where a complete coordinator has stored its result, derived from the spec.

    The operator uses it if the coordinator's final word could not be read.
    """
    output = job.spec.output
    if output.uri is not None:
        return output.uri
    claim = output.persistent_volume_claim
    return result_uri(ref, job, f"file://{RESULT if claim is None else output_folder(claim)}")


def result_uri(ref: JobRef, job: FederatedJob, uri: str) -> str:
    """Returns a result's location as seen from outside the pod: a folder of a mounted claim becomes a `pvc://` URI."""
    claim = job.spec.output.persistent_volume_claim
    path = uri.removeprefix("file://")
    if claim is not None and path.startswith(f"{OUTPUT}/"):
        return f"pvc://{ref.namespace}/{claim.claim_name}/{path.removeprefix(f'{OUTPUT}/')}"
    if path.startswith("/state/"):
        return f"pvc://{ref.namespace}/{ref.claim}/{path.removeprefix('/state/')}"
    return uri


def output_folder(claim: Claim) -> str:
    """Returns the folder in the pod for the claim of `spec.output`, with the path inside the claim."""
    return f"{OUTPUT}/{claim.path.strip('/')}" if claim.path else f"{OUTPUT}/"
