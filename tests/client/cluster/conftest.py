from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fedjobs.cli import app
from fedjobs.cluster.connections import Connection, Target, connect
from fedjobs.cluster.federated_jobs import FederatedJobs
from fedjobs_api.crds.files import FOLDER
from typer.testing import CliRunner, Result

from tests.api.jobs import a_job
from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until


@pytest.fixture(scope="session")
def cluster(api_server: ApiServer) -> ApiServer:
    """An API server with the FederatedJob API."""
    for name in ("federatedjobs.yaml", "silos.yaml"):
        api_server.kubectl("apply", "-f", str(FOLDER / name))
    wait_until("the API server serves the fedjobs API", lambda: api_server.kubectl.run("get", "fj").returncode == 0)
    return api_server


@dataclass(frozen=True)
class Person:
    """A user who runs commands, with a namespace and a kubeconfig."""

    server: ApiServer
    kubeconfig: Path
    namespace: str
    folder: Path

    def run(self, *words: object) -> Result:
        """Runs `fedjobs WORDS` with this cluster and this namespace."""
        options = ["--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace]
        return CliRunner().invoke(app, [*map(str, words), *options])

    def connection(self) -> Connection:
        return connect(Target(self.kubeconfig, None, self.namespace))

    def jobs(self) -> FederatedJobs:
        return FederatedJobs(self.connection())

    def file(self, document: dict[str, Any] | None = None) -> Path:
        path = self.folder / "job.yaml"
        path.write_text(yaml.safe_dump(document or a_job()))
        return path

    def has_submitted(self, name: str = "digits", **spec: Any) -> str:
        document = a_job(**spec)
        document["metadata"]["name"] = name
        shown = self.run("submit", self.file(document))
        assert shown.exit_code == 0, shown.output
        return name

    def sees(self, name: str = "digits") -> Any:
        return json.loads(self.server.kubectl("get", "fj", name, "-n", self.namespace, "-o", "json"))

    def operator_writes(self, name: str = "digits", **status: Any) -> None:
        """Writes a status as the operator does."""
        patch = ["patch", "fj", name, "-n", self.namespace, "--subresource=status", "--type=merge", "-p"]
        self.server.kubectl(*patch, json.dumps({"status": status}))


@pytest.fixture
def admin(cluster: ApiServer, api_namespace: str, tmp_path: Path) -> Person:
    return Person(cluster, cluster.kubeconfig, api_namespace, tmp_path)


@pytest.fixture
def somebody(cluster: ApiServer, api_namespace: str, tmp_path: Path) -> Callable[[str], Person]:
    """Returns a user without any permissions, by name."""
    return lambda name: Person(cluster, cluster.kubeconfig_as(name), api_namespace, tmp_path)
