"""The hub's calls to the API server of its cluster. They block, so they are made in threads."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes
from fedjobs_api.api_calls import CONFLICT, NOT_FOUND, ApiCalls, ApiError, no_answer_told, refusal
from fedjobs_api.names import GROUP, VERSION
from kubernetes.client import ApiClient

from fedjobs_hub.names import FIELD_MANAGER

Body = dict[str, Any]
_TIMEOUT_S = 10
_WATCH_S = 240
_CONNECTIONS = 32
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?")
"""The valid names of objects."""


class Resource(enum.Enum):
    """A resource that the hub reads or writes: the path of its API, its plural, and whether it is namespaced."""

    CERTIFICATE_REQUEST = ("/apis/cert-manager.io/v1", "certificaterequests", True)
    CLUSTER_ROLE = ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False)
    CONFIG_MAP = ("/api/v1", "configmaps", True)
    FEDERATED_JOB = (f"/apis/{GROUP}/{VERSION}", "federatedjobs", True)
    JOB = ("/apis/batch/v1", "jobs", True)
    LEASE = ("/apis/coordination.k8s.io/v1", "leases", True)
    POD = ("/api/v1", "pods", True)
    SECRET = ("/api/v1", "secrets", True)
    SILO = (f"/apis/{GROUP}/{VERSION}", "silos", False)
    TOKEN_REVIEW = ("/apis/authentication.k8s.io/v1", "tokenreviews", False)

    def __init__(self, folder: str, plural: str, namespaced: bool) -> None:
        self.folder = folder
        self.plural = plural
        self.namespaced = namespaced

    def path(self, namespace: str | None, name: str = "") -> str:
        """Returns the path of an object or a list. Without a namespace, it is a list of all namespaces."""
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.folder}{inside}/{self.plural}" + (f"/{name}" if name else "")


class ClusterApi:
    """Makes calls to an API server.

    Args:
        client: A client with the hub's permissions.
    """

    def __init__(self, client: ApiClient) -> None:
        self._calls = ApiCalls(client, _TIMEOUT_S)

    @staticmethod
    def connect() -> ClusterApi:
        """Connects with the pod's ServiceAccount, or with the kubeconfig outside a pod."""
        configuration = kubernetes.client.Configuration()
        configuration.connection_pool_maxsize = _CONNECTIONS
        try:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config(client_configuration=configuration)
        return ClusterApi(ApiClient(configuration))

    def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        """Returns an object, or None if it does not exist.

        Raises:
            ApiError: The call failed. Its status is 0 if the API server did not answer. All calls raise this error.
        """
        if not _NAME.fullmatch(name):
            return None  # untrusted callers choose some names, which must not change the path
        try:
            return self._calls.call("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def all(self, resource: Resource, namespace: str | None, selector: str = "") -> tuple[list[Body], str]:
        """Returns all objects, and the resource version to start `watch` from."""
        query = [("labelSelector", selector)] if selector else []
        answer = self._calls.call("GET", resource.path(namespace), query=query)
        return answer["items"], answer["metadata"]["resourceVersion"]

    def create(self, resource: Resource, body: Mapping[str, Any]) -> Body | None:
        """Creates an object and returns it, or returns None if an object with this name exists."""
        try:
            path = resource.path(body.get("metadata", {}).get("namespace"))
            return self._calls.call("POST", path, body, [("fieldManager", FIELD_MANAGER)])
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            return None

    def replace(self, resource: Resource, body: Mapping[str, Any]) -> Body | None:
        """Replaces an object and returns it, or returns None if it was changed or deleted since it was read."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return _if_unchanged(lambda: self._calls.call("PUT", path, body, [("fieldManager", FIELD_MANAGER)]))

    def merge_status(self, resource: Resource, name: str, version: str, status: Mapping[str, Any]) -> Body | None:
        """Patches a status and returns the object, or returns None if it was changed or deleted since it was read.

        Args:
            resource: A cluster-scoped resource.
            name: The name of the object.
            version: The resourceVersion that was read.
            status: A JSON merge patch, in which null removes a field.
        """
        body = {"metadata": {"resourceVersion": version}, "status": status}
        kind, query = "application/merge-patch+json", [("fieldManager", FIELD_MANAGER)]
        path = f"{resource.path(None, name)}/status"
        return _if_unchanged(lambda: self._calls.call("PATCH", path, body, query, kind))

    def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str) -> None:
        """Deletes the object with this uid, if it exists."""
        try:
            self._calls.call("DELETE", resource.path(namespace, name), {"preconditions": {"uid": uid}})
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def review(self, token: str, audience: str) -> Body:
        """Makes a TokenReview and returns its status."""
        spec = {"token": token, "audiences": [audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        status: Body = self._calls.call("POST", Resource.TOKEN_REVIEW.path(None), body).get("status", {})
        return status

    def watch(
        self, resource: Resource, namespace: str | None, selector: str, version: str
    ) -> Iterator[tuple[str, Body]]:
        """Yields events after a version for up to 4 minutes: ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""
        query = [("watch", "1"), ("resourceVersion", version), ("allowWatchBookmarks", "true")]
        query += [("timeoutSeconds", str(_WATCH_S))] + ([("labelSelector", selector)] if selector else [])
        with no_answer_told():
            # Bookmarks arrive every minute. A connection without data for longer than that is dead.
            response = self._calls.send("GET", resource.path(namespace), query=query, timeout=(_TIMEOUT_S, 90))
            if response.status != 200:
                raise refusal(response, response.read())
            rest = b""
            for piece in response.response.stream(None):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(int(event["object"].get("code", 500)), str(event["object"].get("message")))
                    yield event["type"], event["object"]


def _if_unchanged(call: Any) -> Body | None:
    try:
        written: Body = call()
    except ApiError as error:
        if error.status not in (CONFLICT, NOT_FOUND):
            raise
        return None
    return written
