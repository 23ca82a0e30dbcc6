from __future__ import annotations

from collections.abc import Iterator

import pytest
from fedjobs_api.crds.files import FOLDER

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.crds.requests import Jobs

CRDS = ("federatedjobs.fedjobs.dev", "silos.fedjobs.dev")


@pytest.fixture(scope="session")
def server(api_server: ApiServer) -> ApiServer:
    """An API server on which `kubectl apply` has installed the API."""
    for name in ("federatedjobs.yaml", "silos.yaml"):
        api_server.kubectl("apply", "-f", str(FOLDER / name))
    api_server.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in CRDS))
    wait_until(
        "the API server serves the fedjobs API", lambda: api_server.kubectl.run("get", "fj,silos").returncode == 0
    )
    return api_server


@pytest.fixture(scope="session")
def trials(server: ApiServer) -> Jobs:
    """A client that only validates objects and never stores them."""
    server.kubectl("create", "namespace", "trials")
    return Jobs(server.client(), "trials")


@pytest.fixture
def jobs(server: ApiServer, api_namespace: str) -> Jobs:
    """The FederatedJobs of a new namespace."""
    return Jobs(server.client(), api_namespace)


@pytest.fixture(scope="module")
def policy(server: ApiServer) -> Iterator[None]:
    """Installs the admission policy for the tests of the module, because other modules use the same server."""
    file = str(FOLDER / "requested-by-policy.yaml")
    server.kubectl("apply", "-f", file)
    yield
    server.kubectl("delete", "-f", file)
