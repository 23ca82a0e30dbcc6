"""The operator may do what it does, and nothing else: read off the API server's audit log when all else has run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.federations import OPERATOR_NAMESPACE, Federation

Right = tuple[str, str]
"""Verb, and group/resource/subresource."""
DECISION = "authorization.k8s.io/decision"
USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:fedjobs"


def test_every_right_of_the_operator_was_used_and_none_was_missing(federation: Federation) -> None:
    log = federation.cluster.audit_log
    if log is None:
        pytest.skip("this cluster's audit log cannot be read")
    calls = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["user"]["username"] == USER]
    refused = [entry["requestURI"] for entry in calls if entry.get("annotations", {}).get(DECISION) == "forbid"]
    used = {right for entry in calls if "resource" in entry.get("objectRef", {}) for right in _rights(entry)}

    given = _given(federation)

    assert refused == []
    assert used <= given
    assert given - used == set(), "was the whole suite run? otherwise these are too many"


def _rights(entry: dict[str, Any]) -> set[Right]:
    """What a call needed; applying what is not there yet is creating it, too."""
    about = entry["objectRef"]
    parts = [about.get("apiGroup", ""), about["resource"], *([about["subresource"]] if "subresource" in about else [])]
    created = {"create"} if entry["verb"] == "patch" and entry["responseStatus"]["code"] == 201 else set()
    return {(verb, "/".join(parts)) for verb in {entry["verb"]} | created}


def _given(federation: Federation) -> set[Right]:
    """All rules of the chart's roles."""
    kinds = ("roles,clusterroles", "--selector=app.kubernetes.io/instance=fedjobs", "--all-namespaces", "-o", "json")
    found = json.loads(federation.cluster.kubectl("get", *kinds))["items"]
    return {
        (verb, f"{group}/{resource}")
        for role in found
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
