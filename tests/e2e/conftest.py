"""One federation for all tests: operator, hub and front door by a chart, the silos of examples/cluster by another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import opening
from tests.cluster.clusters import Cluster
from tests.e2e import installations
from tests.e2e.federations import SILOS, Federation
from tests.e2e.installations import INSIDE
from tests.e2e.sites import RESTRICTED, Site, example_records, example_values

NAMESPACE = "fedjobs"  # of the jobs
LAST = ("test_federation", "test_rotation", "test_rights")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Further clusters come late, what is seen over the whole suite last; a job on an old machine takes its time."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(1200))
    items.sort(key=lambda item: next((place for place, name in enumerate(LAST, 1) if name in item.nodeid), 0))


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
    """The federation's own side and four silos, each in a namespace that enforces the restricted standard."""
    installations.install(cluster)
    kubectl = cluster.kubectl
    kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")
    kubectl("label", "namespace", NAMESPACE, RESTRICTED, "--overwrite")
    found = Federation(cluster, NAMESPACE)
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--timeout=120s")  # of an earlier run
    for silo in SILOS:
        site = Site(silo, cluster, f"fedjobs-{silo}")
        found.settle(site, example_values(silo, dialAddress=INSIDE), example_records(silo))
    yield found
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--wait=false")
