"""Agents and workers renew certificates with a lifetime of seconds, also after they have expired."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fedjobs_protocol.identities.identities import Identity

from tests.agent.clusters import AgentProcess, SiloNamespace, until
from tests.agent.coordinators import coordinator_of, joins
from tests.agent.federations import SILO, running_agent_federation
from tests.agent.machines import Machine
from tests.cluster.api_servers import ApiServer
from tests.helm.charts import Helm

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


def test_an_agent_that_slept_longer_than_its_certificate_reconnects(
    api_server_with_controllers: ApiServer, helm: Helm, tmp_path: Path
) -> None:
    server = api_server_with_controllers
    with running_agent_federation(server, tmp_path / "federation", "--certificate-lifetime-seconds", "9") as federation:
        silo = SiloNamespace(server, helm, f"silo-{tmp_path.name.replace('_', '-')[-20:]}")
        (tmp_path / "agent").mkdir()
        (tmp_path / "agent/token").write_text(federation.token())
        agent = AgentProcess(silo, tmp_path / "agent", {"silo": SILO}, dialAddress=federation.door.address)
        try:
            until(lambda: agent.says("connected to the hub"))
            first = stored_identity(silo)
            until(lambda: stored_identity(silo) != first)  # renewed before it expires
            agent.kill()
            last = stored_identity(silo)
            until(lambda: time.time() > last.expires.timestamp())
            agent.start()
            until(lambda: stored_identity(silo) != last)
            federation.invite()
            silo.worker()
        finally:
            agent.kill()


def test_a_worker_renews_and_its_session_continues(api_server_with_controllers: ApiServer, tmp_path: Path) -> None:
    server = api_server_with_controllers
    with running_agent_federation(
        server, tmp_path / "federation", "--worker-certificate-lifetime-seconds", "9"
    ) as federation:
        machine = Machine(tmp_path / "machine", federation)
        machine.join()
        try:
            federation.invite()
            with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
                until(lambda: joins(coordinator))
                (state,) = machine.own.glob("workers/*/state/identity")
                first = Identity.load(state)
                until(lambda: Identity.load(state) != first)
                until(lambda: time.time() > first.expires.timestamp())
                second = Identity.load(state)
                until(lambda: Identity.load(state) != second)
                assert Identity.load(state).key == first.key
                assert len(joins(coordinator)) == 1
                assert len(machine.workers()) == 1
        finally:
            machine.kill()


def stored_identity(silo: SiloNamespace) -> Identity:
    files = silo.secret("fedjobs-identity")
    return Identity(files["tls.crt"], files["tls.key"], files["ca.crt"])
