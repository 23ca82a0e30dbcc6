from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3
from fedjobs.cluster.api_errors import ApiError, explain, explained
from fedjobs_common.errors import ErrorCode
from kubernetes.client.exceptions import ApiException


def said(status: int, **body: Any) -> ApiError:
    return explain("The job cannot be made", status, json.dumps({"kind": "Status", **body}))


def test_each_invalid_field_is_named_once_with_the_rules_message() -> None:
    causes = [
        {"field": "spec.program", "message": 'Invalid value: "object": keep one of name and entrypoint'},
        {"field": "spec.cohort.minSilos", "message": "Invalid value: 0: should be greater than or equal to 1"},
        {"field": "<nil>", "message": "Invalid value: null: some validation rules were not checked because ..."},
        {"field": "spec.program", "message": 'Invalid value: "object": keep one of name and entrypoint'},
    ]
    error = said(422, reason="Invalid", message="long", details={"causes": causes})
    assert error.code is ErrorCode.INVALID_JOB
    assert error.message == (
        "The job cannot be made: spec.program: keep one of name and entrypoint; "
        "spec.cohort.minSilos: Invalid value: 0: should be greater than or equal to 1."
    )


def test_only_the_message_of_a_policy_is_shown() -> None:
    long = (
        "federatedjobs.fedjobs.dev \"digits\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
        "denied request: spec.requestedBy must be alice"
    )
    for status, reason in ((403, "Forbidden"), (422, "Invalid")):
        error = said(status, reason=reason, message=long)
        assert error.code is ErrorCode.INVALID_JOB
        assert error.message == "The job cannot be made: spec.requestedBy must be alice."


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"message": "Unauthorized"}, "does not accept these credentials"),
        (403, {"message": 'User "alice" cannot list'}, 'User "alice" cannot list'),
        (404, {"details": {"name": "trials", "kind": "namespaces"}}, "there is no namespace 'trials'"),
        (404, {"message": "the server could not find the requested resource"}, "fedjobs is not installed"),
        (500, {"message": "etcd is away"}, "etcd is away"),
    ],
)
def test_the_cause_is_reported(status: int, body: dict[str, Any], expected: str) -> None:
    assert expected in said(status, **body).message


def test_a_response_of_another_server_is_not_reported_as_a_missing_installation() -> None:
    assert "not installed" not in explain("It cannot be read", 404, "<html>Not Found</html>").message
    assert "not installed" in explain("It cannot be read", 404, b"404 page not found\n").message


@pytest.mark.parametrize(
    "error",
    [
        urllib3.exceptions.ProtocolError("Connection broken"),
        ApiException(status=0, reason="SSLError\nself-signed certificate"),
        ApiException(status=503, reason="Service Unavailable"),
        ApiException(status=429, reason="Too Many Requests"),
    ],
)
def test_temporary_errors_are_transient(error: Exception) -> None:
    with pytest.raises(ApiError) as caught, explained("It cannot be read"):
        raise error
    assert caught.value.transient
    assert not said(403).transient
    assert not said(422).transient
