"""The operator's command line, and when it refuses to start."""

from __future__ import annotations

import socket

import pytest
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
