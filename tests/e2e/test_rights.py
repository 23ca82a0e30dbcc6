"""Operator and hub have the permissions they need and no others, by the API server's audit log of the whole suite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.federations import Federation
from tests.e2e.installations import HUB, OPERATOR, OPERATOR_NAMESPACE, RELEASE

Right = tuple[str, str]
"""Verb, and group/resource/subresource."""
ELSEWHERE: dict[str, set[Right]] = {
    OPERATOR: {("list", "/events"), ("patch", "/configmaps")},
    HUB: {("delete", "coordination.k8s.io/leases")},
}
"""Rare calls: the operator lists events when a pod cannot be created, and changes a ConfigMap when the authority is
replaced. The hub deletes old Leases. The tests of operator and hub cover them."""
DECISION = "authorization.k8s.io/decision"


@pytest.mark.parametrize("account", [OPERATOR, HUB])
def test_every_permission_was_used_and_none_was_missing(federation: Federation, account: str) -> None:
    user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{account}"
    log = federation.cluster.audit_log
    if log is None:
        pytest.skip("this cluster's audit log cannot be read")
    calls = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["user"]["username"] == user]
    refused = [entry["requestURI"] for entry in calls if entry.get("annotations", {}).get(DECISION) == "forbid"]
    used = {right for entry in calls if "resource" in entry.get("objectRef", {}) for right in _rights(entry)}

    given = _given(federation, account)

    assert refused == []
    assert used <= given
    assert given - used <= ELSEWHERE[account], "unused permissions; if only some tests ran, this is expected"


def _rights(entry: dict[str, Any]) -> set[Right]:
    """Returns the permissions that a call needs. Applying an object that does not exist needs `create`, too."""
    about = entry["objectRef"]
    parts = [about.get("apiGroup", ""), about["resource"], *([about["subresource"]] if "subresource" in about else [])]
    created = {"create"} if entry["verb"] == "patch" and entry["responseStatus"]["code"] == 201 else set()
    return {(verb, "/".join(parts)) for verb in {entry["verb"]} | created}


def _given(federation: Federation, account: str) -> set[Right]:
    """Returns all rules of the chart's roles that are bound to the account."""
    roles = _found(federation, "roles,clusterroles")
    subject = {"kind": "ServiceAccount", "name": account, "namespace": OPERATOR_NAMESPACE}
    bindings = _found(federation, "rolebindings,clusterrolebindings")
    bound = {
        (binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for binding in bindings
        if any(subject.items() <= each.items() for each in binding["subjects"])
    }
    return {
        (verb, f"{group}/{resource}")
        for role in roles
        if (role["kind"], role["metadata"]["name"]) in bound
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _found(federation: Federation, kinds: str) -> list[dict[str, Any]]:
    """Returns the chart's objects of these kinds, in all namespaces."""
    which = (f"--selector=app.kubernetes.io/instance={RELEASE}", "--all-namespaces", "-o", "json")
    return list(json.loads(federation.cluster.kubectl("get", kinds, *which))["items"])
