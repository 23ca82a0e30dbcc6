"""`fedjobs silo join`: a silo as processes on one machine, with a real hub."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.clusters import until
from tests.agent.coordinators import Backend, coordinator_of, joins
from tests.agent.federations import SILO, AgentFederation
from tests.agent.machines import FEDJOBS, Machine
from tests.agent.proxies import ConnectProxy
from tests.protocol.coordinators import Coordinator

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


@pytest.fixture
def machine(federation: AgentFederation, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "machine", federation)
    yield machine
    machine.kill()


def end_job(coordinator: Coordinator, outcome: str) -> None:
    backend = coordinator.backend
    assert isinstance(backend, Backend)

    def end(_: object) -> None:
        backend.over = outcome

    coordinator.do(end)


def test_a_machine_works_for_a_job_and_continues_after_a_restart(
    federation: AgentFederation, machine: Machine, tmp_path: Path
) -> None:
    machine.join()
    federation.federation.wait_for(SILO, "Connected", "True", "AgentConnected")
    uid = federation.invite()
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        (peer, request), *_ = until(lambda: joins(coordinator))
        assert (str(peer.job_uid), peer.silo) == (uid, SILO)
        assert not request.HasField("decline")
        assert machine.audit() == [("invitation", "allowed")]

        before = machine.workers()
        assert machine.stop(signal.SIGKILL) == -signal.SIGKILL
        until(lambda: not any(worker.is_running() for worker in before))  # all workers end with their agent
        (machine.own / "token").unlink()
        machine.join()
        known = len(joins(coordinator))
        until(lambda: len(joins(coordinator)) > known)
        end_job(coordinator, "Complete")
        until(lambda: not machine.workers())
    federation.withdraw()
    assert machine.stop() == 0
    assert not machine.says("Traceback")


def test_a_withdrawn_invitation_ends_the_worker(federation: AgentFederation, machine: Machine, tmp_path: Path) -> None:
    machine.join()
    federation.invite()
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        until(lambda: joins(coordinator))
        federation.withdraw()
        until(lambda: not machine.workers())
    until(lambda: not list((machine.own / "workers").iterdir()))
    assert machine.stop(signal.SIGINT) == 0


def test_agent_and_worker_go_through_a_proxy_that_knows_connect(
    federation: AgentFederation, machine: Machine, tmp_path: Path
) -> None:
    machine.dial = "nowhere.example.org:443"
    with ConnectProxy(federation.door.address) as proxy:
        machine.proxy = {"https_proxy": proxy.url}
        machine.join()
        federation.invite()
        with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
            until(lambda: joins(coordinator))
        assert set(proxy.asked) == {"nowhere.example.org:443"}
        assert {"enrol.fedjobs.example.org", "fedjobs.example.org"} < set(federation.door.names)
        assert machine.stop() == 0


def test_a_proxy_that_refuses_connections_is_in_the_log(federation: AgentFederation, machine: Machine) -> None:
    machine.dial = "nowhere.example.org:443"
    with ConnectProxy(federation.door.address, refuses=True) as proxy:
        machine.proxy = {"https_proxy": proxy.url}
        machine.join()
        until(lambda: machine.says("HTTP proxy returned response code 403"))
        assert machine.stop() == 0


def test_a_refused_token_is_reported_and_ends_the_command(machine: Machine, federation: AgentFederation) -> None:
    from fedjobs_protocol.hub import silo_tokens

    token = silo_tokens.decoded(federation.token()).model_copy(update={"secret": silo_tokens.new_secret()})
    (machine.own / "token").write_text(token.encoded())
    machine.join()
    assert machine.process is not None
    assert machine.process.wait(60) == 4
    last = machine.log.read_text().splitlines()[-1]
    assert "does not belong to an invited silo with this name" in last
    assert token.secret not in machine.log.read_text()


def test_the_systemd_unit_in_the_docs_starts_and_stops_a_silo(machine: Machine) -> None:
    page = Path(__file__).parents[2] / "docs/silo.md"
    (unit,) = re.findall(r"```ini\n(.*?)```", page.read_text(), re.DOTALL)
    parser = configparser.ConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit)
    service = parser["Service"]
    places = {"/opt/fedjobs/bin/fedjobs": FEDJOBS, "/etc/fedjobs": str(machine.folder), "127.0.0.1:9090": "127.0.0.1:0"}
    line = service["ExecStart"].replace("/var/lib/fedjobs", str(machine.own))
    for place, here in places.items():
        line = line.replace(place, here)
    machine.start([*shlex.split(line), "--dial", machine.dial])
    until(lambda: machine.says("connected to the hub"))
    assert machine.stop(signal.SIGTERM) == 0
    assert service["KillMode"] == "mixed"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.yaml"], 3, "none.yaml cannot be read"),
        (["silo.yaml", "--dial", "localhost"], 2, "'localhost' is not of the form HOST:PORT."),
        (["silo.yaml", "--metrics-bind-address", "127.0.0.1:99999"], 2, "is not of the form HOST:PORT."),
        (["silo.yaml", "--dir", "silo.yaml"], 4, "silo.yaml cannot be used: File exists"),
        (["silo.yaml", "--token-file", "none"], 4, "Put the token of the federation's invitation into"),
        (["silo.yaml", "--token-file", "silo.yaml"], 4, "This is not a silo's invitation token."),
        (["silo.yaml", "--token-file", "bytes"], 4, "bytes cannot be read"),
    ],
    ids=["no file", "no port", "no such port", "no folder", "no token", "not a token", "not a text"],
)
def test_a_users_mistake_is_reported_in_one_sentence(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    (tmp_path / "silo.yaml").write_text(f"silo: {SILO}\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    command = [FEDJOBS, "silo", "join", *words]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
        timeout=60,
    )
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_two_agents_do_not_share_a_folder(machine: Machine) -> None:
    machine.join()
    until(lambda: machine.says("watching for invitations"))
    command = [FEDJOBS, "silo", "join", "silo.yaml", "--dir", "own"]
    second = subprocess.run(
        command, cwd=machine.folder, capture_output=True, text=True, check=False, env=os.environ, timeout=60
    )
    assert second.returncode == 4
    assert "Another agent uses" in second.stderr
