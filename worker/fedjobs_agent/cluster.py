"""The calls to the Kubernetes API that an agent makes: all of them, in its own namespace. Objects are plain dicts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
import urllib3
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]

_TIMEOUT_S = (10, 30)  # to connect, and between two bytes
_WATCH_S = 240  # the server ends a watch after that, and it is begun anew
_WATCH_TIMEOUT_S = (10, _WATCH_S + 30)
_PAUSE_S = 5.0
_PATHS = {"secrets": "/api/v1", "pods": "/api/v1", "jobs": "/apis/batch/v1", "deployments": "/apis/apps/v1"}
_LOG = structlog.get_logger()


class Cluster:
    """The silo's cluster, as far as the agent may see it.

    Args:
        api: Connected; used by several threads.
        namespace: The agent's own.
    """

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._api = api

    def secrets(self, selector: str) -> list[Object]:
        return self._listed("secrets", selector)

    def jobs(self, selector: str) -> list[Object]:
        return self._listed("jobs", selector)

    def pods(self, selector: str) -> list[Object]:
        return self._listed("pods", selector)

    def deployment(self, name: str) -> Object:
        """Raises: FedjobsError: There is none, or it may not be seen."""
        return self._object(self._call("GET", "deployments", name))

    def create_job(self, manifest: Object) -> bool:
        """False: one of this name is there already."""
        try:
            self._object(self._call("POST", "jobs", body=manifest))
        except _AnswerError as error:
            if error.status == HTTPStatus.CONFLICT:
                return False
            raise
        return True

    def delete_job(self, name: str, uid: str, *, at_once: bool) -> None:
        """Deletes this very Job with its pods.

        Args:
            name: Its name.
            uid: Another Job of the same name is left alone.
            at_once: The Job is gone before its pods are.
        """
        policy = "Background" if at_once else "Foreground"
        body = {"preconditions": {"uid": uid}, "propagationPolicy": policy}
        try:
            self._object(self._call("DELETE", "jobs", name, body=body))
        except _AnswerError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def watch(self, selectors: dict[str, str], changed: Callable[[], object], stopping: threading.Event) -> None:
        """Calls `changed` whenever something may have changed, from threads of its own, until `stopping` is set.

        Args:
            selectors: By what is watched: secrets, jobs, pods.
            changed: Asked to look for itself; called too often rather than too seldom.
            stopping: Looked at between two calls.
        """
        for kind, selector in selectors.items():
            arguments = (kind, selector, changed, stopping)
            threading.Thread(target=self._watch, args=arguments, name=f"watches-{kind}", daemon=True).start()

    def _watch(self, kind: str, selector: str, changed: Callable[[], object], stopping: threading.Event) -> None:
        # Without a resourceVersion each watch begins with all that is there: nothing between two of them is missed.
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
                _LOG.warning("a watch was cut", kind=kind, error=str(error))
                stopping.wait(_PAUSE_S)

    def _listed(self, kind: str, selector: str) -> list[Object]:
        items: list[Object] = self._object(self._call("GET", kind, query={"labelSelector": selector}))["items"]
        return items

    def _object(self, response: urllib3.BaseHTTPResponse) -> Object:
        try:
            content: Object = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise FedjobsError(ErrorCode.UNAVAILABLE, f"The API server's answer was cut: {error}") from error
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
        """The answer, its content still to be read."""
        path = f"{_PATHS[kind]}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")
        what = f"{verb} {path}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            request = self._api.param_serialize(
                verb, path, None, list((query or {}).items()), headers, body, auth_settings=["BearerToken"]
            )
            answer: urllib3.BaseHTTPResponse = self._api.call_api(*request, _request_timeout=timeout).response
            if answer.status >= HTTPStatus.BAD_REQUEST:
                remedy = "Give it to the agent's Role." if answer.status == HTTPStatus.FORBIDDEN else ""
                said = answer.data.decode(errors="replace")[:500]
                raise _AnswerError(answer.status, f"The API server refused {what}: {answer.status} {said}", remedy)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise FedjobsError(ErrorCode.UNAVAILABLE, f"The API server could not be asked {what}: {error}") from error
        return answer


class _AnswerError(FedjobsError):
    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, message, remedy)
        self.status = status
