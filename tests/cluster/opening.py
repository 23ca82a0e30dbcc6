"""Finds the test cluster that a kubeconfig refers to."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import binaries, kind, recognized
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster
from tests.cluster.kubectl import Kubectl


def opened(kubeconfig: Path) -> Cluster:
    """Returns the test cluster of the kubeconfig's current context.

    Raises:
        ClusterError: It is not a test cluster, does not respond, or belongs to another machine.
    """
    programs = binaries.ensured(Module.KUBERNETES, Module.HELM)
    name = recognized.require_recognized(Kubectl(programs / "kubectl", kubeconfig))
    return kind.opened(name, kubeconfig)
