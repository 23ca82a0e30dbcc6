"""The operator's calls to the API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes
from fedjobs_api.api_calls import CONFLICT, JSON, NOT_FOUND, ApiCalls, ApiError
from fedjobs_api.names import FIELD_MANAGER, GROUP, PLURAL, VERSION
from kubernetes.client import ApiClient

from fedjobs_operator import metrics

_TIMEOUT_S = 30
_PAGE = 250
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_COLLECTIONS = {
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Event": ("/api/v1", "events"),
    "FederatedJob": (f"/apis/{GROUP}/{VERSION}", PLURAL),
    "Job": ("/apis/batch/v1", "jobs"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Pod": ("/api/v1", "pods"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Service": ("/api/v1", "services"),
    "Silo": (f"/apis/{GROUP}/{VERSION}", "silos"),
}


class KubernetesApi:
    """Makes blocking calls to one API server. Call it in threads.

    Args:
        client: The Kubernetes client, with the operator's credentials.
    """

    def __init__(self, client: ApiClient) -> None:
        self._calls = ApiCalls(client, _TIMEOUT_S, called=lambda method: metrics.API_CALLS.labels(method).inc())

    @staticmethod
    def connect() -> KubernetesApi:
        """Connects with the pod's ServiceAccount, or with the kubeconfig outside of a cluster."""
        try:
            kubernetes.config.load_incluster_config()
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config()
        return KubernetesApi(ApiClient())

    def apply(self, manifest: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        """Applies an object with server-side apply, and returns the result. It overrides other field managers."""
        path = _path(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        kind = "application/apply-patch+yaml"
        return self._calls.call("PATCH", path + (f"/{subresource}" if subresource else ""), manifest, query, kind)

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any] | None:
        """Creates an object and returns it. Returns None if an object of that name exists.

        Args:
            manifest: The object.
            dry_run: Whether the API server only returns what it would store.
        """
        try:
            path = _path(manifest["kind"], manifest["metadata"]["namespace"])
            query = [("fieldManager", FIELD_MANAGER)] + [("dryRun", "All")] * dry_run
            return self._calls.call("POST", path, manifest, query)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            return None

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Returns an object. None if it does not exist."""
        try:
            return self._calls.call("GET", _path(kind, namespace, name))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def all(self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        """Returns all objects of a kind that match the selectors. An empty namespace means all namespaces."""
        return list(self.each(kind, namespace, labels=labels, fields=fields))

    def each(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "", accept: str = JSON
    ) -> Iterator[dict[str, Any]]:
        """Yields the same objects as `all`. It fetches them page by page, because there may be thousands."""
        selected = [("labelSelector", labels)] * bool(labels) + [("fieldSelector", fields)] * bool(fields)
        token = ""
        while True:
            query = [("limit", str(_PAGE)), *selected] + [("continue", token)] * bool(token)
            page = self._calls.call("GET", _path(kind, namespace), query=query, accept=accept)
            yield from page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def uids(self, kind: str, namespace: str = "", *, labels: str = "") -> set[str]:
        """Returns the UIDs of all objects of a kind. It fetches their metadata only."""
        return {each["metadata"]["uid"] for each in self.each(kind, namespace, labels=labels, accept=_METADATA_ONLY)}

    def merge(self, kind: str, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        """Applies a merge patch to an object, if it exists."""
        try:
            self._calls.call("PATCH", _path(kind, namespace, name), change, content_type="application/merge-patch+json")
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def delete(self, kind: str, namespace: str, name: str, *, uid: str | None = None) -> None:
        """Deletes an object and its dependents, if it exists and has the UID, if one is given.

        A Job is deleted in the foreground: it exists until its pods have terminated. Until then no other Job can have
        its name, so two coordinators never run at once.
        """
        options: dict[str, Any] = {"propagationPolicy": "Foreground" if kind == "Job" else "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self._calls.call("DELETE", _path(kind, namespace, name), options)
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise


def _path(kind: str, namespace: str, name: str = "") -> str:
    prefix, plural = _COLLECTIONS[kind]
    return prefix + (f"/namespaces/{namespace}" if namespace else "") + f"/{plural}" + (f"/{name}" if name else "")
