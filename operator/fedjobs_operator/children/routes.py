"""The way from the front door to a job's coordinator: a name in the namespace of the front door, which knows no other.

It cannot be owned by the job, which is in another namespace; it is taken away when the job is over, and swept where the
operator was not there to do so (`fedjobs_operator.cluster.sweeping`).
"""

from __future__ import annotations

from typing import Any

from fedjobs_operator.names import FIELD_MANAGER, JOB_NAMESPACE, MANAGED_BY, JobRef
from fedjobs_operator.settings import Settings

COMPONENT = "route"
SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER},app.kubernetes.io/component={COMPONENT}"
"""Selects all routes."""


def route(ref: JobRef, settings: Settings) -> dict[str, Any]:
    """The manifest: a DNS alias of the coordinator's Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": ref.service,
            "namespace": settings.own_namespace,
            "labels": ref.labels(COMPONENT) | {JOB_NAMESPACE: ref.namespace},
        },
        "spec": {
            "type": "ExternalName",
            "externalName": f"{ref.service}.{ref.namespace}.svc.{settings.cluster_domain}",
        },
    }
