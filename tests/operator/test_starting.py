"""The operator's command line, and when it refuses to start."""

from __future__ import annotations

import socket

import pytest
import yaml
from fedjobs_operator.__main__ import main

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.operator.charted_rights import granted, user
from tests.operator.conftest import Started
from tests.operator.processes import OWN_NAMESPACE
from tests.operator.teams import Team
from tests.operator.test_lives import a_job

REQUIRED = ["--namespace", OWN_NAMESPACE, "--authority-namespace", "keys", "--coordinator-image", "coordinator:1"]
REQUIRED += [
    "--front-door-host",
    "fedjobs.example.org",
    "--front-door-address",
    "fedjobs.example.org:443",
    "--hub-address",
    "127.0.0.1:1",
]


def test_a_port_that_is_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main([*REQUIRED, "--metrics-bind-address", address]) == 4
    assert f"Cannot serve metrics at {address}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "missing",
    [
        "--namespace",
        "--authority-namespace",
        "--coordinator-image",
        "--front-door-host",
        "--front-door-address",
        "--hub-address",
    ],
)
def test_missing_required_arguments_are_named(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    position = REQUIRED.index(missing)
    with pytest.raises(SystemExit, match="2"):
        main(REQUIRED[:position] + REQUIRED[position + 2 :])
    assert missing in capsys.readouterr().err


@pytest.mark.api_server
@pytest.mark.processes
def test_the_operator_waits_for_missing_permissions_and_names_them(
    server: ApiServer, team: Team, started: Started
) -> None:
    operator = started(kubeconfig=server.kubeconfig_as(user("late-fedjobs-operator")))

    def logs_the_missing_permission() -> bool:
        return "cannot get resource" in operator.log.read_text()

    wait_until("the operator logs the missing permission", logs_the_missing_permission)
    granted(server, release="late")
    team.wait_for(team.apply(a_job()), "Accepted")
    assert operator.process.poll() is None


@pytest.mark.api_server
@pytest.mark.processes
def test_an_operator_of_a_second_release_ends_with_a_message(server: ApiServer, started: Started) -> None:
    """Helm would have refused the release. Some tools overwrite the mark of the cluster instead."""
    metadata = {"name": "fedjobs.dev:federation", "annotations": {"fedjobs.dev/federation-namespace": "elsewhere"}}
    mark = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": []}
    server.kubectl.apply(yaml.safe_dump(mark))
    try:
        operator = started()
        wait_until("the operator ends", lambda: operator.process.poll() is not None, seconds=60)
    finally:
        server.kubectl("delete", "clusterrole", "fedjobs.dev:federation")
    assert operator.process.returncode == 4
    said = operator.log.read_text()
    assert "error FederationExists: This cluster belongs to the federation in namespace elsewhere" in said
    assert "Traceback" not in said
