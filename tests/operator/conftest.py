from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from fedjobs_api.crds.files import FOLDER

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.operator.builders import TRUST
from tests.operator.charted_rights import granted
from tests.operator.processes import OWN_NAMESPACE, OperatorProcess
from tests.operator.teams import Team

CRDS = ("federatedjobs.fedjobs.dev", "silos.fedjobs.dev")
Started = Callable[..., OperatorProcess]


def a_silo_object(name: str) -> str:
    return yaml.safe_dump(
        {"apiVersion": "fedjobs.dev/v1alpha1", "kind": "Silo", "metadata": {"name": name}, "spec": {}}
    )


def hub_trust(servers: str) -> dict[str, object]:
    """Returns the data that a hub publishes."""
    metadata = {"name": "fedjobs-trust", "namespace": OWN_NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"servers.crt": servers}}


@pytest.fixture(scope="session")
def prepared(api_server_with_controllers: ApiServer) -> ApiServer:
    """An API server with the CRDs and a namespace for the operator."""
    kubectl = api_server_with_controllers.kubectl
    for name in ("federatedjobs.yaml", "silos.yaml"):
        kubectl.apply((FOLDER / name).read_text())
    kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in CRDS))
    wait_until("the API server serves the fedjobs API", lambda: kubectl.run("get", "fj,silos").returncode == 0)
    kubectl("create", "namespace", OWN_NAMESPACE)
    kubectl.apply(yaml.safe_dump(hub_trust(TRUST)))
    return api_server_with_controllers


@pytest.fixture(scope="module")
def server(prepared: ApiServer) -> ApiServer:
    """An API server with exactly two Silos. Modules of other folders may have used the same server before."""
    prepared.kubectl("delete", "silos", "--all")
    for name in ("hospital-a", "hospital-b"):
        prepared.kubectl.apply(a_silo_object(name))
    return prepared


@pytest.fixture(scope="session")
def rights(prepared: ApiServer) -> Path:
    """A kubeconfig with exactly the permissions that the chart gives to the operator."""
    return granted(prepared)


@pytest.fixture
def team(server: ApiServer) -> Team:
    """A namespace for one test."""
    return Team(server, f"team-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def started(rights: Path, tmp_path: Path) -> Iterator[Started]:
    """Starts operators, and stops them at the end of the test."""
    operators: list[OperatorProcess] = []

    def start(*arguments: str, kubeconfig: Path = rights) -> OperatorProcess:
        log = tmp_path / f"operator-{len(operators)}.log"
        operators.append(OperatorProcess(kubeconfig, log, *arguments))
        return operators[-1]

    yield start
    for operator in operators:
        operator.kill()


@pytest.fixture(scope="module")
def operator(rights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """One operator for all namespaces and for all tests of a module."""
    process = OperatorProcess(rights, tmp_path_factory.mktemp("operator") / "operator.log")
    process.wait_until_live()
    yield process
    process.kill()
    assert "Traceback" not in process.log.read_text()
