"""Whom a job's coordinator trusts to be the hub."""

from __future__ import annotations

from typing import Any

from fedjobs_operator.names import JobRef

FILE = "ca.crt"


def hub_config(ref: JobRef, trust: str) -> dict[str, Any]:
    """A copy of what the hub has published, in the job's namespace; it follows when the authority is rotated.

    Args:
        ref: The job.
        trust: PEM.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": ref.metadata(ref.hub, "coordinator"),
        "data": {FILE: trust},
    }
