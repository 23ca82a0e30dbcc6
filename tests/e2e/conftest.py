"""One federation for all tests. One chart installs operator, hub and front door; another installs the silos.

The silos are those of examples/cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import opening
from tests.cluster.clusters import Cluster
from tests.e2e import commands, installations, outside
from tests.e2e.federations import PROGRAM, SILOS, Federation
from tests.e2e.installations import INSIDE
from tests.e2e.sites import RESTRICTED, ROOT, Site, example_records, example_values
from tests.plans import rounds

NAMESPACE = "fedjobs"  # the namespace of the jobs
LAST = ("test_federation", "test_rotation", "test_rights")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests into the order of the files, because tests of one module share fixtures that start slowly.

    Tests that need more clusters run late, and tests that check the whole suite run last. The timeout allows for slow
    machines.
    """
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(1200))
    if len(ours) == len(items):
        items.sort(key=_position)


def _position(item: pytest.Item) -> tuple[int, str, int]:
    last = next((place for place, name in enumerate(LAST, 1) if name in item.nodeid), 0)
    return last, str(item.path), item.location[1] or 0


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The test cluster of $KUBECONFIG. Fails for any other cluster."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        pytest.fail("these tests need a test cluster: run them with `make e2e`")
    return opening.opened(Path(kubeconfig))


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Future[Path]:
    """The plan of a_job's program. A separate process makes it while the federation is installed."""
    path = tmp_path_factory.mktemp("plan") / rounds.PLAN
    planning = [sys.executable, "-m", "tests.plans.planning", str(path)]

    def wait_for_plan() -> Path:
        subprocess.run(planning, cwd=ROOT, check=True, capture_output=True)
        return path

    pool = ThreadPoolExecutor()
    made_later = pool.submit(wait_for_plan)
    pool.shutdown(wait=False)
    return made_later


@pytest.fixture(scope="session")
def further_clusters(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Future[list[Cluster]] | None]:
    """The clusters of the silos outside, which start with the session. None if no test needs them."""
    wanted = any("outside" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if not wanted:
        yield None
        return
    with outside.starting(keep=bool(os.environ.get("E2E_KEEP"))) as clusters:
        yield clusters


@pytest.fixture(scope="session")
def federation(
    cluster: Cluster,
    plan: Future[Path],
    further_clusters: object,  # the fixture starts them now
) -> Iterator[Federation]:
    """The federation's own components and four silos, each in a namespace that enforces the restricted standard."""
    installations.install(cluster)
    kubectl = cluster.kubectl
    kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")
    kubectl("label", "namespace", NAMESPACE, RESTRICTED, "--overwrite")
    found = Federation(cluster, NAMESPACE)
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--timeout=120s")  # left by an earlier run
    if installations.has_new_authority(cluster):  # so that all silos enroll again
        for silo in kubectl("get", "silos", "-o", "name").split():
            commands.fedjobs(cluster, "silo", "remove", silo.rpartition("/")[2], "--yes")
        installations.forget_new_authority(cluster)
    records = {silo: example_records(silo) for silo in SILOS}
    sites = [Site(silo, cluster, f"fedjobs-{silo}") for silo in SILOS]
    found.settle_all((s, example_values(s.silo, dialAddress=INSIDE), records[s.silo]) for s in sites)
    files = [f"--from-file={path}" for path in (rounds.__file__, plan.result())]
    kubectl.apply(found.kubectl("create", "configmap", PROGRAM, *files, "--dry-run=client", "-o", "yaml"))
    yield found
    found.kubectl("delete", "federatedjobs,persistentvolumeclaims", "--all", "--wait=false")
