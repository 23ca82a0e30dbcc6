"""The operator's permissions from the chart. A call that the chart does not permit fails in the tests, too."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster import binaries
from tests.cluster.api_servers import ApiServer
from tests.cluster.binaries import Module
from tests.cluster.readiness import wait_until
from tests.helm.charts import OPERATOR, Helm, part
from tests.operator.processes import OWN_NAMESPACE

_KINDS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def user(account: str = "fedjobs-operator") -> str:
    """Returns the user name of a ServiceAccount."""
    return f"system:serviceaccount:{OWN_NAMESPACE}:{account}"


def granted(server: ApiServer, *settings: str, release: str = "fedjobs") -> Path:
    """Creates the roles and role bindings of a release.

    Args:
        server: The API server on which to create them.
        settings: Values of the chart.
        release: Name of the release.

    Returns:
        A kubeconfig for the release's ServiceAccount.
    """
    helm = Helm(binaries.ensured(Module.HELM) / "helm")
    objects = [each for each in part(helm.objects(*settings, release=release), OPERATOR) if each["kind"] in _KINDS]
    server.kubectl.apply(yaml.safe_dump_all(objects))
    (account,) = {subject["name"] for each in objects for subject in each.get("subjects", ())}
    kubectl = server.kubectl_as(user(account))
    asked = ("auth", "can-i", "get", "configmaps/fedjobs-trust", f"--namespace={OWN_NAMESPACE}")
    wait_until("the API server applies the permissions", lambda: kubectl.run(*asked).returncode == 0)
    return kubectl.kubeconfig
