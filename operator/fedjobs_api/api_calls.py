"""Calls to the API server, shared by operator and hub. Error responses and missing responses raise one error type."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

JSON = "application/json"
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
_NO_ANSWER = 0


class ApiError(Exception):
    """The API server rejected a call, or did not respond.

    Attributes:
        status: The HTTP status. 0 if there was no response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiCalls:
    """Makes blocking calls with one client.

    Args:
        client: The Kubernetes client, with the caller's credentials.
        timeout_s: Timeout of `call`, in seconds.
        called: Called with the HTTP method of each `call`.
    """

    def __init__(self, client: ApiClient, timeout_s: int, called: Callable[[str], None] = lambda _: None) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._called = called

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        """Makes a call and returns the JSON response.

        Raises:
            ApiError: The API server rejected the call, or did not respond.
        """
        self._called(method)
        with no_answer_told():
            response = self.send(method, path, body, query, content_type, accept)
            content = response.read()
        if not 200 <= response.status < 300:
            raise refusal(response, content)
        answer: dict[str, Any] = json.loads(content)
        return answer

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: tuple[int, int] | None = None,
    ) -> Any:
        """Sends a request and returns the unread response. Use `no_answer_told` around it for the client's errors.

        Args:
            method: The HTTP method.
            path: The path on the API server.
            body: The body, sent as JSON.
            query: Names and values of the query parameters.
            content_type: The content type of the body.
            accept: The accepted content type of the response.
            timeout: Connect and read timeouts, in seconds. Defaults to the timeout of `call`.
        """
        request = self._client.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*request, _request_timeout=timeout or self._timeout_s)


def refusal(response: Any, content: bytes) -> ApiError:
    """Returns the error for an error response, with the API server's message."""
    return ApiError(response.status, _message(content) or str(response.reason))


@contextmanager
def no_answer_told() -> Iterator[None]:
    """Converts the client's connection errors into an ApiError with status 0."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, ApiException) as error:
        raise ApiError(_NO_ANSWER, f"the API server does not respond ({type(error).__name__})") from error


def _message(content: bytes) -> str:
    """Returns the message of the Status object in an error response."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:500]
