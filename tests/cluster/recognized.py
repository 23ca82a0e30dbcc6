"""Marks test clusters, and recognizes them. Tests run only on marked clusters, because they delete objects."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl

NAMESPACE = "kube-system"
NAME = "fedjobs-test-cluster"


def mark(kubectl: Kubectl, cluster: str) -> None:
    """Marks the cluster as a test cluster."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {"cluster": cluster},
    }
    kubectl.apply(yaml.safe_dump(manifest))


def require_recognized(kubectl: Kubectl) -> str:
    """Returns the name in the cluster's mark. Refuses a cluster without a mark, before anything is written to it.

    Raises:
        ClusterError: The cluster has no mark, or does not respond.
    """
    asked = kubectl.run("get", "configmap", NAME, f"--namespace={NAMESPACE}", "--request-timeout=20s", "-o", "json")
    if asked.returncode == 0:
        return str(json.loads(asked.stdout).get("data", {}).get("cluster", ""))
    place = _place(kubectl.kubeconfig)
    if "(NotFound)" in asked.stderr:
        raise ClusterError(
            f"{place} is not a test cluster: it has no ConfigMap {NAMESPACE}/{NAME}. Tests create and delete objects, "
            "so they run only on clusters that `python -m tests.cluster up NAME` started"
        )
    raise ClusterError(f"cannot tell whether {place} is a test cluster: {asked.stderr.strip()}")


def _place(kubeconfig: Path) -> str:
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        return f"context {config['current-context']!r} of {kubeconfig}"
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return f"the cluster of {kubeconfig}"
