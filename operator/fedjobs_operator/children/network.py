"""The network objects of a coordinator: its Service, its NetworkPolicy, and the front door's route to it."""

from __future__ import annotations

from typing import Any

from fedjobs_api.names import FIELD_MANAGER, JOB_NAMESPACE, JOB_UID, MANAGED_BY, METRICS_PORT, SESSION_PORT, JobRef

from fedjobs_operator.settings import Settings


def service(ref: JobRef) -> dict[str, Any]:
    """Returns the coordinator's Service. Its name derives from the job's UID, so the front door routes by a pattern."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": ref.metadata(ref.service, "coordinator"),
        "spec": {
            "selector": _selector(ref),
            "ports": [{"name": "session", "port": SESSION_PORT, "targetPort": "session", "protocol": "TCP"}],
        },
    }


def network_policy(ref: JobRef) -> dict[str, Any]:
    """Returns the NetworkPolicy that allows the session and metrics ports. Mutual TLS protects the session port.

    It has the name of the Service. A later job of the same name has another UID, and so another Service name.
    """
    ports = [{"protocol": "TCP", "port": port} for port in (SESSION_PORT, METRICS_PORT)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": ref.metadata(ref.service, "coordinator"),
        "spec": {
            "podSelector": {"matchLabels": _selector(ref)},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        },
    }


def _selector(ref: JobRef) -> dict[str, str]:
    return {JOB_UID: ref.uid, "app.kubernetes.io/component": "coordinator"}


ROUTE_COMPONENT = "route"
ROUTE_SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER},app.kubernetes.io/component={ROUTE_COMPONENT}"
"""Selects all routes."""


def route(ref: JobRef, settings: Settings) -> dict[str, Any]:
    """Returns the front door's route: a DNS alias of the coordinator's Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": ref.service,
            "namespace": settings.own_namespace,
            "labels": ref.labels(ROUTE_COMPONENT) | {JOB_NAMESPACE: ref.namespace},
        },
        "spec": {
            "type": "ExternalName",
            "externalName": f"{ref.service}.{ref.namespace}.svc.{settings.cluster_domain}",
        },
    }
