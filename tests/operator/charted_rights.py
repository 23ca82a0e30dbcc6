"""The operator's rights as the chart gives them, so that a call which the chart forgot is refused here too."""

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
    """The name of a ServiceAccount as a user."""
    return f"system:serviceaccount:{OWN_NAMESPACE}:{account}"


def granted(server: ApiServer, *settings: str, release: str = "fedjobs") -> Path:
    """Gives a release its rights.

    Args:
        server: That shall know them.
        settings: Values of the chart.
        release: Its name.

    Returns:
        A kubeconfig of the release's ServiceAccount.
    """
    helm = Helm(binaries.ensured(Module.HELM) / "helm")
    objects = [each for each in part(helm.objects(*settings, release=release), OPERATOR) if each["kind"] in _KINDS]
    server.kubectl.apply(yaml.safe_dump_all(objects))
    (account,) = {subject["name"] for each in objects for subject in each.get("subjects", ())}
    kubectl = server.kubectl_as(user(account))
    asked = ("auth", "can-i", "get", "configmaps/fedjobs-trust", f"--namespace={OWN_NAMESPACE}")
    wait_until("the rights are known", lambda: kubectl.run(*asked).returncode == 0)
    return kubectl.kubeconfig
