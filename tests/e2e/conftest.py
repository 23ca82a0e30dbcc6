"""One federation for all tests: the operator by its chart, the four silos of examples/cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import opening
from tests.cluster.clusters import Cluster
from tests.e2e.federations import OPERATOR_NAMESPACE, ROOT, SILOS, Federation

NAMESPACE = "fedjobs"  # of examples/cluster
CHART = ROOT / "helm/fedjobs-operator"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is seen over the whole suite comes last; a job on an old machine takes its time."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(1200))
    items.sort(key=lambda item: "test_rights" in item.nodeid)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The test cluster of $KUBECONFIG; any other cluster is refused."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        pytest.fail("these tests need a test cluster: run them with `make e2e`")
    found = opening.opened(Path(kubeconfig))
    found.prepare()
    return found


@pytest.fixture(scope="session")
def federation(cluster: Cluster) -> Iterator[Federation]:
    """The operator and four silos' agents, in namespaces that enforce the restricted Pod Security Standard."""
    kubectl = cluster.kubectl
    kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {OPERATOR_NAMESPACE}}}}}")
    kubectl("label", "namespace", OPERATOR_NAMESPACE, RESTRICTED, "--overwrite")
    values = ("--set", "image.tag=dev", "--set", "image.pullPolicy=Never")
    cluster.helm("upgrade", "--install", "fedjobs", str(CHART), "-n", OPERATOR_NAMESPACE, *values, "--wait")
    _restarted(cluster, OPERATOR_NAMESPACE)
    found = Federation(cluster, NAMESPACE)
    for silo in SILOS:
        found.register(silo)
    _silos(cluster)
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--timeout=120s")  # of an earlier run
    yield found
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--wait=false")


def _silos(cluster: Cluster) -> None:
    """As examples/cluster/README.md says."""
    subprocess.run([sys.executable, str(ROOT / "examples/digits/prepare.py")], check=True, stdout=subprocess.DEVNULL)
    kubectl = cluster.kubectl
    kubectl("apply", "-f", str(ROOT / "examples/cluster/namespace.yaml"))
    kubectl("label", "namespace", NAMESPACE, RESTRICTED, "--overwrite")
    for silo in SILOS:
        files = f"--from-file={ROOT / 'examples/digits/data' / silo}"
        kubectl.apply(
            kubectl("create", "configmap", f"data-{silo}", files, "--dry-run=client", "-o", "yaml", "-n", NAMESPACE)
        )
    kubectl("apply", "-k", str(ROOT / "examples/cluster"))
    _restarted(cluster, NAMESPACE)


def _restarted(cluster: Cluster, namespace: str) -> None:
    """On a cluster that was kept, pods are of the images of an earlier run: their tag is the same."""
    cluster.kubectl("rollout", "restart", "deployment", f"--namespace={namespace}")
    cluster.kubectl("rollout", "status", "deployment", f"--namespace={namespace}", "--timeout=240s")
