"""All calls of an agent to the Kubernetes API, in its own namespace. Objects are plain dicts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
import urllib3
from fedjobs_common.errors import ErrorCode, FedjobsError
from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException

from fedjobs_agent.errors import StartRefusedError

Object = dict[str, Any]

_REFUSALS = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}
"""The statuses for a rejected object: a quota, an admission policy or an invalid field."""

_TIMEOUT_S = (10, 30)  # the connect timeout and the read timeout
_WATCH_S = 240  # the server ends a watch after this time, and the agent starts a new one
_WATCH_TIMEOUT_S = (10, _WATCH_S + 30)
_LOG_TIMEOUT_S = (10, 3600)  # a waiting worker prints nothing
_PAUSE_S = 5.0
_LONGEST_LINE = 1024 * 1024
_CORE = dict.fromkeys(("secrets", "pods", "events"), "/api/v1")
_PATHS = {**_CORE, "jobs": "/apis/batch/v1", "deployments": "/apis/apps/v1"}
_LOG = structlog.get_logger()


class Cluster:
    """The agent's namespace in the silo's cluster.

    Args:
        api: The API client, which several threads use.
        namespace: The agent's namespace.
    """

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._api = api

    def jobs(self, selector: str) -> list[Object]:
        return self._listed("jobs", {"labelSelector": selector})

    def pods(self, selector: str) -> list[Object]:
        return self._listed("pods", {"labelSelector": selector})

    def complaint(self, uids: Sequence[str]) -> str:
        """Returns the reason of the last warning event about these objects, or an empty string."""
        found = [
            event
            for uid in uids
            for event in self._listed("events", {"fieldSelector": f"involvedObject.uid={uid},type=Warning"})
        ]
        last = max(found, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default={})
        return str(last.get("reason") or "")

    def deployment(self, name: str) -> Object:
        """Returns a Deployment. Raises FedjobsError if it does not exist or cannot be read."""
        return self._object(self._call("GET", "deployments", name))

    def secret(self, name: str) -> Object | None:
        """Returns a Secret, or None if it does not exist."""
        try:
            return self._object(self._call("GET", "secrets", name))
        except _AnswerError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def keep_secret(self, manifest: Object) -> None:
        """Creates a Secret, or replaces the existing one."""
        try:
            self._object(self._call("PUT", "secrets", manifest["metadata"]["name"], body=manifest))
        except _AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._object(self._call("POST", "secrets", body=manifest))

    def make_secret_anew(self, manifest: Object) -> None:
        """Creates a Secret. Deletes an existing one first."""
        try:
            self._object(self._call("POST", "secrets", body=manifest))
        except _AnswerError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self.delete_secret(manifest["metadata"]["name"])
            self._object(self._call("POST", "secrets", body=manifest))

    def delete_secret(self, name: str) -> None:
        """Deletes a Secret. Does nothing if it does not exist."""
        try:
            self._object(self._call("DELETE", "secrets", name))
        except _AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def create_job(self, manifest: Object) -> bool:
        """Creates a Job. Returns False if a Job with this name exists.

        Raises:
            StartRefusedError: The API server rejects the Job.
            FedjobsError: The call failed.
        """
        try:
            self._object(self._call("POST", "jobs", body=manifest))
        except _AnswerError as error:
            if error.status == HTTPStatus.CONFLICT:
                return False
            if error.status in _REFUSALS:
                raise StartRefusedError(error.code, error.message, error.remedy) from error
            raise
        return True

    def delete_job(self, name: str, uid: str, *, at_once: bool) -> None:
        """Deletes a Job with its pods.

        Args:
            name: The name of the Job.
            uid: The uid of the Job. A different Job with the same name is not deleted.
            at_once: Whether to delete the Job without waiting for its pods.
        """
        policy = "Background" if at_once else "Foreground"
        body = {"preconditions": {"uid": uid}, "propagationPolicy": policy}
        try:
            self._object(self._call("DELETE", "jobs", name, body=body))
        except _AnswerError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def log_lines(self, pod: str, container: str) -> Iterator[bytes]:
        """Yields the lines of a container's log, from the start until the container ends.

        A line that is longer than 1 MiB is cut.

        Args:
            pod: The name of the pod.
            container: The name of the container.

        Raises:
            FedjobsError: The log cannot be read.
        """
        query = {"container": container, "follow": "true"}
        response = self._call("GET", "pods", f"{pod}/log", query=query, timeout=_LOG_TIMEOUT_S)
        rest = b""
        try:
            for part in response.stream(amt=None):
                *lines, rest = (rest + part).split(b"\n")
                rest = rest[:_LONGEST_LINE]
                yield from lines
        finally:
            response.close()
        yield rest

    def watch(self, selectors: dict[str, str], changed: Callable[[], object], stopping: threading.Event) -> None:
        """Calls `changed` from background threads whenever something may have changed, until `stopping` is set.

        Args:
            selectors: The label selectors by kind: jobs, pods.
            changed: The callback. It may also be called when nothing has changed.
            stopping: Checked between two calls.
        """
        for kind, selector in selectors.items():
            arguments = (kind, selector, changed, stopping)
            threading.Thread(target=self._watch, args=arguments, name=f"watches-{kind}", daemon=True).start()

    def _watch(self, kind: str, selector: str, changed: Callable[[], object], stopping: threading.Event) -> None:
        # Without a resourceVersion, each watch starts with all objects, so no change between two watches is missed.
        query = {"labelSelector": selector, "watch": "true", "timeoutSeconds": str(_WATCH_S)}
        while not stopping.is_set():
            try:
                response = self._call("GET", kind, query=query, timeout=_WATCH_TIMEOUT_S)
                try:
                    for _ in response.stream(amt=None):
                        changed()
                finally:
                    response.close()
            except (FedjobsError, urllib3.exceptions.HTTPError, OSError) as error:
                _LOG.warning("a watch failed; retrying", kind=kind, error=str(error))
                stopping.wait(_PAUSE_S)

    def _listed(self, kind: str, query: dict[str, str]) -> list[Object]:
        items: list[Object] = self._object(self._call("GET", kind, query=query))["items"]
        return items

    def _object(self, response: urllib3.BaseHTTPResponse) -> Object:
        try:
            content: Object = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise FedjobsError(ErrorCode.UNAVAILABLE, f"The API server's response is incomplete: {error}") from error
        return content

    def _call(
        self,
        verb: str,
        kind: str,
        name: str = "",
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        timeout: tuple[float, float] = _TIMEOUT_S,
    ) -> urllib3.BaseHTTPResponse:
        """Makes a call and returns the response without reading its content."""
        path = f"{_PATHS[kind]}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")
        what = f"{verb} {path}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            request = self._api.param_serialize(
                verb, path, None, list((query or {}).items()), headers, body, auth_settings=["BearerToken"]
            )
            answer: urllib3.BaseHTTPResponse = self._api.call_api(*request, _request_timeout=timeout).response
            if answer.status >= HTTPStatus.BAD_REQUEST:
                said = answer.data.decode(errors="replace")[:500]
                # " cannot " is RBAC; other causes are a quota or an admission policy.
                remedy = "Add this permission to the agent's Role." if " cannot " in said else ""
                raise _AnswerError(answer.status, f"The API server rejected {what}: {answer.status} {said}", remedy)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise FedjobsError(ErrorCode.UNAVAILABLE, f"The call {what} to the API server failed: {error}") from error
        return answer


class _AnswerError(FedjobsError):
    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, message, remedy)
        self.status = status


def connected(kubeconfig: Path | None) -> ApiClient:
    """Returns a client for the API server.

    Args:
        kubeconfig: The path of the kubeconfig, or None for the configuration of the pod.

    Raises:
        FedjobsError: UNAVAILABLE if there is no configuration.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            kubernetes_config.load_incluster_config(configuration)
            configuration.proxy = None  # the proxy of the environment is only for connections to the federation
        else:
            kubernetes_config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    except kubernetes_config.ConfigException as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"Cannot connect to the cluster: {error}.",
            "Run the agent in a pod, or set --kubeconfig.",
        ) from error
    return ApiClient(configuration)
