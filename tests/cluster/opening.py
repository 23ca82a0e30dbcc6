"""From what a person names to the test cluster that it means, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cluster import binaries, kind, local, recognized
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl


def chosen(choice: str, name: str = "e2e", say: Callable[[str], None] = lambda _: None) -> Cluster:
    """A test cluster to run a suite on.

    Args:
        choice: local or kind, for a cluster of that name which is started if it is not there; or a kubeconfig's path.
        name: the name of the cluster that is started.
        say: told what takes long.

    Raises:
        ClusterError: there is none to be had, or the kubeconfig leads to something else.
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
    """The test cluster of the kubeconfig's current context.

    Raises:
        ClusterError: it is not a test cluster, does not answer, or can only be used where it was made.
    """
    programs = binaries.ensured(Module.KUBERNETES, Module.HELM)
    mark = recognized.require_recognized(Kubectl(programs / "kubectl", kubeconfig))
    if mark.provider == kind.PROVIDER:
        return kind.opened(mark.cluster, kubeconfig)
    cluster = local.existing(mark.cluster) if mark.provider == local.PROVIDER else None
    if cluster is None:
        raise ClusterError(
            f"{kubeconfig} leads to cluster {mark.cluster} ({mark.provider}), which is not on this machine"
        )
    return cluster
