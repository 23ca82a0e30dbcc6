"""The calls to the Kubernetes API that an agent makes: all of them, in its own namespace. Objects are plain dicts."""

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
"""Of an object: a quota, an admission policy, a field that is wrong."""

_TIMEOUT_S = (10, 30)  # to connect, and between two bytes
_WATCH_S = 240  # the server ends a watch after that, and it is begun anew
_WATCH_TIMEOUT_S = (10, _WATCH_S + 30)
_LOG_TIMEOUT_S = (10, 3600)  # a worker that waits prints nothing
_PAUSE_S = 5.0
_CORE = dict.fromkeys(("secrets", "pods", "events"), "/api/v1")
_PATHS = {**_CORE, "jobs": "/apis/batch/v1", "deployments": "/apis/apps/v1"}
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

    def jobs(self, selector: str) -> list[Object]:
        return self._listed("jobs", {"labelSelector": selector})

    def pods(self, selector: str) -> list[Object]:
        return self._listed("pods", {"labelSelector": selector})

    def complaint(self, uids: Sequence[str]) -> str:
        """The reason of the last warning that was recorded about any of these objects; empty: there is none."""
        found = [
            event
            for uid in uids
            for event in self._listed("events", {"fieldSelector": f"involvedObject.uid={uid},type=Warning"})
        ]
        last = max(found, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default={})
        return str(last.get("reason") or "")

    def deployment(self, name: str) -> Object:
        """Raises: FedjobsError: There is none, or it may not be seen."""
        return self._object(self._call("GET", "deployments", name))

    def secret(self, name: str) -> Object | None:
        """None: there is none."""
        try:
            return self._object(self._call("GET", "secrets", name))
        except _AnswerError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def keep_secret(self, manifest: Object) -> None:
        """Makes a Secret, or replaces the one of its name as a whole."""
        try:
            self._object(self._call("PUT", "secrets", manifest["metadata"]["name"], body=manifest))
        except _AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._object(self._call("POST", "secrets", body=manifest))

    def make_secret_anew(self, manifest: Object) -> None:
        """Makes a Secret; one of its name that is there is deleted first."""
        try:
            self._object(self._call("POST", "secrets", body=manifest))
        except _AnswerError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self.delete_secret(manifest["metadata"]["name"])
            self._object(self._call("POST", "secrets", body=manifest))

    def delete_secret(self, name: str) -> None:
        """Also where there is none."""
        try:
            self._object(self._call("DELETE", "secrets", name))
        except _AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def create_job(self, manifest: Object) -> bool:
        """False: one of this name is there already.

        Raises:
            StartRefusedError: It may not be made.
            FedjobsError: It could not be made.
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

    def log_lines(self, pod: str, container: str, *, previous: bool) -> Iterator[bytes]:
        """What a container prints, from its beginning until its end.

        Args:
            pod: Name of its pod.
            container: Its name.
            previous: The one before the last start.

        Raises:
            FedjobsError: It cannot be read.
        """
        query = {"container": container, **({"previous": "true"} if previous else {"follow": "true"})}
        response = self._call("GET", "pods", f"{pod}/log", query=query, timeout=_LOG_TIMEOUT_S)
        rest = b""
        try:
            for part in response.stream(amt=None):
                *lines, rest = (rest + part).split(b"\n")
                yield from lines
        finally:
            response.close()
        yield rest

    def watch(self, selectors: dict[str, str], changed: Callable[[], object], stopping: threading.Event) -> None:
        """Calls `changed` whenever something may have changed, from threads of its own, until `stopping` is set.

        Args:
            selectors: By what is watched: jobs, pods.
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

    def _listed(self, kind: str, query: dict[str, str]) -> list[Object]:
        items: list[Object] = self._object(self._call("GET", kind, query=query))["items"]
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
                said = answer.data.decode(errors="replace")[:500]
                remedy = "Give it to the agent's Role." if " cannot " in said else ""  # else it is a quota, a policy
                raise _AnswerError(answer.status, f"The API server refused {what}: {answer.status} {said}", remedy)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise FedjobsError(ErrorCode.UNAVAILABLE, f"The API server could not be asked {what}: {error}") from error
        return answer


class _AnswerError(FedjobsError):
    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, message, remedy)
        self.status = status


def connected(kubeconfig: Path | None) -> ApiClient:
    """A client of the API server.

    Args:
        kubeconfig: None: that of the pod.

    Raises:
        FedjobsError: UNAVAILABLE: There is none.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            kubernetes_config.load_incluster_config(configuration)
            configuration.proxy = None  # a proxy of the environment is the way out, not the way to one's own cluster
        else:
            kubernetes_config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    except kubernetes_config.ConfigException as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"There is no way to the cluster: {error}.", "Run it in a pod, or give --kubeconfig."
        ) from error
    return ApiClient(configuration)
