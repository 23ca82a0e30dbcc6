"""Finds the test cluster that a user names, for all providers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cluster import binaries, kind, local, recognized
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl


def chosen(choice: str, name: str = "e2e", say: Callable[[str], None] = lambda _: None) -> Cluster:
    """Returns a test cluster to run a suite on.

    Args:
        choice: `local` or `kind` for a cluster of this provider, started if necessary, or the path of a kubeconfig.
        name: The name of the cluster that is started.
        say: Receives messages about slow steps.

    Raises:
        ClusterError: No cluster can be started, or the kubeconfig does not refer to a test cluster.
    """
    if choice == local.PROVIDER:
        cluster: Cluster = local.up(name, say=say)
    elif choice == kind.PROVIDER:
        cluster = kind.up(name, say)
    else:
        cluster = opened(Path(choice))
    cluster.prepare()
    return cluster


def opened(kubeconfig: Path) -> Cluster:
    """Returns the test cluster of the kubeconfig's current context.

    Raises:
        ClusterError: It is not a test cluster, does not respond, or belongs to another machine.
    """
    programs = binaries.ensured(Module.KUBERNETES, Module.HELM)
    mark = recognized.require_recognized(Kubectl(programs / "kubectl", kubeconfig))
    if mark.provider == kind.PROVIDER:
        return kind.opened(mark.cluster, kubeconfig)
    cluster = local.existing(mark.cluster) if mark.provider == local.PROVIDER else None
    if cluster is None:
        raise ClusterError(
            f"{kubeconfig} refers to cluster {mark.cluster} ({mark.provider}), which is not on this machine"
        )
    return cluster
