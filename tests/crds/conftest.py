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
    """The API server, which knows the API: plain `kubectl apply`, as people do it."""
    for name in ("federatedjobs.yaml", "silos.yaml"):
        api_server.kubectl("apply", "-f", str(FOLDER / name))
    api_server.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in CRDS))
    wait_until("the API is served", lambda: api_server.kubectl.run("get", "fj,silos").returncode == 0)
    return api_server


@pytest.fixture(scope="session")
def trials(server: ApiServer) -> Jobs:
    """For what is only tried, and never stored."""
    server.kubectl("create", "namespace", "trials")
    return Jobs(server.client(), "trials")


@pytest.fixture
def jobs(server: ApiServer, api_namespace: str) -> Jobs:
    """The FederatedJobs of a namespace of their own."""
    return Jobs(server.client(), api_namespace)


@pytest.fixture(scope="module")
def policy(server: ApiServer) -> Iterator[None]:
    """The admission policy, while the module's tests run: the server is others' too."""
    file = str(FOLDER / "requested-by-policy.yaml")
    server.kubectl("apply", "-f", file)
    yield
    server.kubectl("delete", "-f", file)
