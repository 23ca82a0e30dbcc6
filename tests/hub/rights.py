"""The hub's complete permissions. A call that needs another permission fails in the tests, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until

Rule = dict[str, list[str]]
ACCOUNT = "fedjobs-hub"


def _rule(group: str, resource: str, verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs.split()}


EVERYWHERE: list[Rule] = [
    _rule("fedjobs.dev", "silos", "get list watch"),
    _rule("fedjobs.dev", "silos/status", "patch"),
    _rule("authentication.k8s.io", "tokenreviews", "create"),
    _rule("rbac.authorization.k8s.io", "clusterroles", "get"),
]
WHERE_JOBS_ARE: list[Rule] = [
    _rule("fedjobs.dev", "federatedjobs", "get list watch"),
    _rule("batch", "jobs", "get"),
    _rule("", "pods", "get"),
]
OWN_NAMESPACE: list[Rule] = [
    _rule("", "secrets", "get list create delete"),
    _rule("", "configmaps", "get create update"),
    _rule("coordination.k8s.io", "leases", "get list watch create update delete"),
]
WHERE_THE_AUTHORITY_IS: list[Rule] = [_rule("", "secrets", "get create update")]
WITH_CERT_MANAGER: list[Rule] = [_rule("cert-manager.io", "certificaterequests", "get create delete")]


def granted(server: ApiServer, namespace: str) -> Path:
    """Returns a kubeconfig with exactly these permissions."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    own = OWN_NAMESPACE + WITH_CERT_MANAGER
    objects = [
        *_role_and_binding("ClusterRole", f"hub-of-{namespace}", EVERYWHERE + WHERE_JOBS_ARE, user, {}),
        *_role_and_binding("Role", "hub", own, user, {"namespace": namespace}),
        *_role_and_binding("Role", "hub", WHERE_THE_AUTHORITY_IS, user, {"namespace": f"{namespace}-authority"}),
    ]
    server.kubectl.apply(yaml.safe_dump_all(objects))
    kubectl = server.kubectl_as(user)
    asked = ("auth", "can-i", "delete", "leases.coordination.k8s.io", f"--namespace={namespace}")
    wait_until("the API server applies the permissions", lambda: kubectl.run(*asked).returncode == 0)
    return kubectl.kubeconfig


def _role_and_binding(
    kind: str, name: str, rules: list[Rule], user: str, place: dict[str, str]
) -> list[dict[str, Any]]:
    version = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    subjects = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]
    metadata = {"name": name, **place}
    return [
        {"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": version,
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": subjects,
        },
    ]
