"""The resolved job, once and for all."""

from __future__ import annotations

from typing import Any

from fedjobs_common import digests
from fedjobs_common.jobs.resolved_jobs import ResolvedJob

from fedjobs_operator.names import JobRef

DOCUMENT, DIGEST = "job.json", "digest"


def resolved_config(ref: JobRef, resolved: ResolvedJob) -> dict[str, Any]:
    """An immutable ConfigMap: what the coordinator runs cannot change under it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": ref.metadata(ref.resolved, "coordinator"),
        "immutable": True,
        "data": {DOCUMENT: document(resolved), DIGEST: digest(resolved)},
    }


def document(resolved: ResolvedJob) -> str:
    """The job as its coordinator reads it."""
    return resolved.model_dump_json(by_alias=True, exclude_none=True)


def digest(resolved: ResolvedJob) -> str:
    """BLAKE3 of the document, hexadecimal."""
    return str(digests.digest(document(resolved).encode()))


def read(config: dict[str, Any]) -> ResolvedJob:
    """The job of a ConfigMap."""
    return ResolvedJob.model_validate_json(config["data"][DOCUMENT])
