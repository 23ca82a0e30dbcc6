"""The ConfigMaps of a job: the resolved job, and the hub's certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_api.names import JobRef
from fedjobs_common import digests
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from pydantic import ValidationError

DOCUMENT, DIGEST = "job.json", "digest"


def resolved_config(ref: JobRef, resolved: ResolvedJob) -> dict[str, Any]:
    """Returns the immutable ConfigMap with the resolved job."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": ref.metadata(ref.resolved, "coordinator"),
        "immutable": True,
        "data": {DOCUMENT: document(resolved), DIGEST: digest(resolved)},
    }


def document(resolved: ResolvedJob) -> str:
    """Returns the resolved job as JSON, as the coordinator reads it."""
    return resolved.model_dump_json(by_alias=True, exclude_none=True)


def digest(resolved: ResolvedJob) -> str:
    """Returns the BLAKE3 digest of the document, in hex."""
    return str(digests.digest(document(resolved).encode()))


def read(config: Mapping[str, Any], expected: str) -> ResolvedJob | None:
    """Reads the resolved job from its ConfigMap.

    Returns:
        The resolved job. None if the content does not have the expected digest, or is that of a newer release.
    """
    text = (config.get("data") or {}).get(DOCUMENT, "")
    if str(digests.digest(text.encode())) != expected:
        return None
    try:
        return ResolvedJob.model_validate_json(text)
    except ValidationError:
        return None


TRUST_FILE = "ca.crt"


def hub_config(ref: JobRef, trust: str) -> dict[str, Any]:
    """Returns a copy of the hub's certificates for the job's namespace. It is updated when the authority is rotated.

    Args:
        ref: The job.
        trust: The issuers of the hub's certificate, as PEM.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": ref.metadata(ref.hub, "coordinator"),
        "data": {TRUST_FILE: trust},
    }
