"""What a coordinator's pod looks like from outside: its container, its exit codes, its folders, where its result is."""

from __future__ import annotations

from fedjobs_api.cluster_specs import Claim
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_api.names import JobRef

CONTAINER = "coordinator"
FAILED_FOR_GOOD, CANNOT_START, STORAGE_FAILED, SUSPENDED = 1, 4, 74, 75
"""Exit codes of the coordinator."""
OUTPUT, RESULT = "/output", "/state/result"
"""Folders of the container: the claim of `spec.output`, and the result in the coordinator's own claim."""


def expected_uri(ref: JobRef, job: FederatedJob) -> str:
    """Where the result of a coordinator that is complete must be, though nobody has heard it say so."""
    output = job.spec.output
    if output.uri is not None:
        return output.uri
    claim = output.persistent_volume_claim
    return result_uri(ref, job, f"file://{RESULT if claim is None else output_folder(claim)}")


def result_uri(ref: JobRef, job: FederatedJob, uri: str) -> str:
    """Where a result is, for somebody outside the coordinator's pod, which knows a claim by its folder only."""
    claim = job.spec.output.persistent_volume_claim
    path = uri.removeprefix("file://")
    if claim is not None and path.startswith(f"{OUTPUT}/"):
        return f"pvc://{ref.namespace}/{claim.claim_name}/{path.removeprefix(f'{OUTPUT}/')}"
    if path.startswith("/state/"):
        return f"pvc://{ref.namespace}/{ref.claim}/{path.removeprefix('/state/')}"
    return uri


def output_folder(claim: Claim) -> str:
    """Where the claim of `spec.output` is in the pod, with the path in it."""
    return f"{OUTPUT}/{claim.path.strip('/')}" if claim.path else f"{OUTPUT}/"
