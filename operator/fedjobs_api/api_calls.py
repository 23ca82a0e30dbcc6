"""One call to the API server, with its refusals and its silence as errors of one kind; for operator and hub alike."""

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
    """The API server refused a call, or did not answer.

    Attributes:
        status: Of HTTP; 0 where there was no answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiCalls:
    """Calls of one client; they block.

    Args:
        client: With the caller's rights.
        timeout_s: Of a call whose answer is read at once.
        called: Is told the HTTP method of each such call.
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
        """The answer, as JSON.

        Raises:
            ApiError: It was refused, or there is no answer.
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
        """The response, not read yet; what the client raises is for `no_answer_told`.

        Args:
            method: Of HTTP.
            path: On the API server.
            body: As JSON.
            query: Names and values.
            content_type: Of the body.
            accept: Of the answer.
            timeout: Seconds to connect, and between two pieces; None: as for all calls.
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
    """The error, in the API server's words, of a response that says no."""
    return ApiError(response.status, _message(content) or str(response.reason))


@contextmanager
def no_answer_told() -> Iterator[None]:
    """Turns what the client raises where there is no answer into an ApiError of status 0."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, ApiException) as error:
        raise ApiError(_NO_ANSWER, f"the API server does not answer ({type(error).__name__})") from error


def _message(content: bytes) -> str:
    """What the API server says of an error, in its Status object."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:500]
