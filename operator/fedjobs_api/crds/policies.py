"""The admission policy that guards `spec.requestedBy`: silos decide by it, so nobody writes another's name.

A CRD's own rules do not see who asks; a ValidatingAdmissionPolicy does, and needs no webhook.
"""

from __future__ import annotations

from typing import Any

from fedjobs_api.names import GROUP, PLURAL, VERSION

_NAME = f"requested-by.{GROUP}"
_MATCHED = {"apiGroups": [GROUP], "apiVersions": [VERSION], "resources": [PLURAL]}


def requested_by() -> list[dict[str, Any]]:
    """The policy and its binding."""
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
                    "message": "spec.requestedBy is not the user who asks: write your own name, or leave it out",
                    "messageExpression": "'spec.requestedBy is ' + object.spec.requestedBy + ', and you are '"
                    " + request.userInfo.username + ': write your own name, or leave it out'",
                    "reason": "Forbidden",
                },
                {
                    "expression": "request.operation != 'UPDATE'"
                    " || object.spec.?requestedBy == oldObject.spec.?requestedBy",
                    "message": "spec.requestedBy cannot change once the job is there: make a job of another name",
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
