"""The admission policy for `spec.requestedBy`: silos decide by it, so a user can set only their own name.

The CEL rules of a CRD cannot read the user of a request. A ValidatingAdmissionPolicy can, and needs no webhook.
"""

from __future__ import annotations

from typing import Any

from fedjobs_api.names import GROUP, PLURAL, VERSION

_NAME = f"requested-by.{GROUP}"
_MATCHED = {"apiGroups": [GROUP], "apiVersions": [VERSION], "resources": [PLURAL]}


def requested_by() -> list[dict[str, Any]]:
    """Returns the policy and its binding."""
    rules = [{**_MATCHED, "operations": ["CREATE", "UPDATE"]}]
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "validations": [
                {
                    "expression": "request.operation != 'CREATE' || !has(object.spec.requestedBy)"
                    " || object.spec.requestedBy == request.userInfo.username",
                    "message": "spec.requestedBy is not the user of the request: set your own name, or omit the field",
                    "messageExpression": "'spec.requestedBy is ' + object.spec.requestedBy + ', and you are '"
                    " + request.userInfo.username + ': set your own name, or omit the field'",
                    "reason": "Forbidden",
                },
                {
                    "expression": "request.operation != 'UPDATE'"
                    " || object.spec.?requestedBy == oldObject.spec.?requestedBy",
                    "message": "spec.requestedBy is immutable: create a job with another name",
                    "reason": "Forbidden",
                },
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
    }
    return [policy, binding]
