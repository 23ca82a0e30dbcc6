"""Turns errors of calls to the API server into errors with a message and a remedy."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from fedjobs_common.errors import ErrorCode, FedjobsError
from kubernetes.client.exceptions import ApiException

INSTALL = (
    "helm install fedjobs helm/fedjobs-operator --namespace fedjobs-system --create-namespace "
    "--set frontDoor.host=fedjobs.example.org"
)
"""The command of docs/cluster.md."""
_UNREACHABLE, _BUSY = 0, 429
_NO_SUCH_API = "404 page not found"
_CONNECTION = re.compile(r"^HTTPS?Connection\(host='([^']*)', port=(\d+)\): ")
_DENIED = re.compile(r".*ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: ", re.DOTALL)
_WHOLE_OBJECT = re.compile(r'^Invalid value: (?:"object"|\{.*?\}|"\{.*?\}"): ', re.DOTALL)
_TLS = ("SSLError", "CertificateError")


class ApiError(FedjobsError):
    """An error of a call to the API server.

    Args:
        status: The HTTP status, or 0 if there was no response.
        reason: The reason of Kubernetes' `Status` object, such as `AlreadyExists`.
    """

    def __init__(self, code: ErrorCode, message: str, remedy: str = "", *, status: int = 0, reason: str = "") -> None:
        super().__init__(code, message, remedy)
        self.status = status
        self.reason = reason

    @property
    def transient(self) -> bool:
        """Whether a retry of the same call may succeed."""
        return self.status in (_UNREACHABLE, _BUSY) or self.status >= 500


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns errors of the API calls in the block into errors of the error catalogue.

    Args:
        doing: The beginning of the message, such as `Cannot read the job digits`.

    Raises:
        ApiError: INVALID_JOB if the API server rejects an object, UNAVAILABLE for every other error.
    """
    try:
        yield
    except ApiException as error:
        if not error.status:  # the client reports TLS errors in this way
            raise _unreachable(doing, str(error.reason)) from error
        raise explain(doing, int(error.status), error.body) from error
    except urllib3.exceptions.HTTPError as error:
        raise _unreachable(doing, _root(error)) from error


def explain(doing: str, status: int, body: str | bytes | None) -> ApiError:
    """Returns the error for a response of the API server.

    Args:
        doing: The beginning of the message.
        status: The HTTP status.
        body: Kubernetes' `Status` object, or any body that a proxy sent.
    """
    said = _status(body)
    details: Mapping[str, Any] = said.get("details") or {}
    message, reason = str(said.get("message") or f"HTTP status {status}"), str(said.get("reason") or "")
    code, remedy = ErrorCode.UNAVAILABLE, ""
    if status == 401:
        message, remedy = "the API server does not accept these credentials", "Log in to the cluster again."
    elif status == 403 and _DENIED.match(message):
        code, message = ErrorCode.INVALID_JOB, _DENIED.sub("", message)
    elif status == 403 and " cannot " in message:  # RBAC; other causes are a quota or Pod Security admission
        remedy = "Ask the cluster's administrator for this permission, or choose another --namespace or --context."
    elif status == 404 and details.get("kind") == "namespaces":
        code, message = ErrorCode.INVALID_JOB, f"there is no namespace {details.get('name')!r}"
        remedy = "Create it with kubectl create namespace, or choose another with --namespace."
    elif status == 404 and not details.get("name") and (said or _text(body).startswith(_NO_SUCH_API)):
        message, remedy = "fedjobs is not installed on this cluster", f"Install it: {INSTALL}"
    elif status in (400, 422):
        code, message = ErrorCode.INVALID_JOB, _causes(details) or _DENIED.sub("", message)
        remedy = "" if reason == "BadRequest" else "Correct the object, and try again."
    return ApiError(code, f"{doing}: {message.rstrip('.')}.", remedy, status=status, reason=reason)


def _status(body: str | bytes | None) -> dict[str, Any]:
    try:
        said = json.loads(body or "")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(body: str | bytes | None) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else body or ""


def _causes(details: Mapping[str, Any]) -> str:
    """Lists each invalid field once. When a rule of the schema fails, the API server also reports follow-up errors."""
    found: dict[str, None] = {}
    for cause in details.get("causes") or ():
        message = _WHOLE_OBJECT.sub("", _DENIED.sub("", str(cause.get("message", ""))))
        if "some validation rules were not checked" in message:
            continue
        field = cause.get("field", "")
        found[f"{field}: {message}" if field and field != "<nil>" else message] = None
    return "; ".join(found)


def _unreachable(doing: str, why: str) -> ApiError:
    if any(word in why for word in _TLS):
        remedy = "Check the certificate authority in the kubeconfig, and whether a proxy intercepts TLS."
    else:
        remedy = "Check with kubectl cluster-info that the cluster is up, or choose another --context."
    return ApiError(ErrorCode.UNAVAILABLE, f"{doing}: the API server does not answer ({why}).", remedy)


def _root(error: BaseException) -> str:
    """Returns the innermost reason on one line. urllib3 wraps it several times."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, BaseException):
        error, reason = reason, getattr(reason, "reason", None)
    text = str(error).rpartition("object at 0x")[2].partition(">: ")[2] or _CONNECTION.sub(r"\1:\2: ", str(error))
    return f"{type(error).__name__}: {' '.join(text.split())}" if type(error).__name__ in _TLS else text
