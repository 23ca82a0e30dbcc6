"""The agent as a process, against a real API server with the Job controller."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fedjobs_protocol.identities import Peer, RunAuthority
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.agent.clusters import AGENT, GPU_FILE, AgentProcess, SiloNamespace, until
from tests.cluster.api_servers import ApiServer
from tests.protocol.coordinators import JOB, SILO, Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator

pytestmark = [pytest.mark.api_server, pytest.mark.processes]

IDENTITY = RunAuthority.create().issue_silo(JOB, SILO)
Started = Callable[..., AgentProcess]


@pytest.fixture
def silo(api_server_with_controllers: ApiServer) -> SiloNamespace:
    return SiloNamespace(api_server_with_controllers, f"silo-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def started(silo: SiloNamespace, tmp_path: Path) -> Iterator[Started]:
    agents: list[AgentProcess] = []

    def start(silo_file: dict[str, Any] | None = None, **config: Any) -> AgentProcess:
        agents.append(AgentProcess(silo, tmp_path, silo_file or {"silo": SILO}, **config))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


def annotation(worker: dict[str, Any], name: str) -> str:
    return str(worker["metadata"]["annotations"][f"fedjobs.dev/{name}"])


def test_a_worker_is_made_for_an_invitation_and_ends_with_it(silo: SiloNamespace, started: Started) -> None:
    agent = started()
    secret = silo.invite(IDENTITY)
    worker = silo.worker()
    (owner,) = worker["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Deployment", AGENT)
    assert silo.pod()["spec"]["containers"][0]["image"] == "worker:1"  # the restricted standard let it in
    silo.withdraw(secret)
    until(lambda: not silo.workers() and not silo.pods())
    assert 'reconciles_total{outcome="error"} 0.0' in agent.get("/metrics")
    assert agent.get("/healthz") == "ok\n"
    assert psutil.Process(agent.process.pid).memory_info().rss < 100e6
    agent.process.terminate()
    assert agent.process.wait(20) == 0


def test_an_agent_that_is_killed_changes_nothing(silo: SiloNamespace, started: Started) -> None:
    agent = started()
    first = silo.invite(IDENTITY, job="first")
    worker = silo.worker("first")
    agent.kill()
    second = silo.invite(IDENTITY, job="second")
    agent.start()
    silo.worker("second")
    assert silo.worker("first")["metadata"]["uid"] == worker["metadata"]["uid"]
    agent.kill()
    silo.withdraw(first)
    silo.withdraw(second)
    agent.start()
    until(lambda: not silo.workers("first") and not silo.workers("second"))


def test_a_job_that_is_over_is_over_until_it_is_made_again(silo: SiloNamespace, started: Started) -> None:
    started()
    secret = silo.invite(IDENTITY)
    worker = silo.worker()
    silo.the_session_ends("Complete")
    until(lambda: silo.worker().get("status", {}).get("succeeded"))
    silo.invite(IDENTITY, job="other")
    silo.worker("other")  # by now the agent has looked again
    assert silo.worker()["metadata"]["uid"] == worker["metadata"]["uid"]
    silo.withdraw(secret)
    silo.invite(IDENTITY)
    until(lambda: silo.worker()["metadata"]["uid"] != worker["metadata"]["uid"])


def test_a_suspended_worker_is_made_again_where_its_invitation_stands(silo: SiloNamespace, started: Started) -> None:
    started()
    silo.invite(IDENTITY)
    worker = silo.worker()
    silo.the_session_ends("Suspended")
    until(lambda: silo.worker()["metadata"]["uid"] != worker["metadata"]["uid"])


def test_where_no_gpu_is_free_the_worker_is_made_again_on_cpu(silo: SiloNamespace, started: Started) -> None:
    started(GPU_FILE)
    silo.invite(IDENTITY, gpu="Prefer")
    assert annotation(silo.worker(), "gpu") == "true"
    limits = silo.pod()["spec"]["initContainers"][0]["resources"]["limits"]
    assert limits == {"example.org/gpu": "1"}
    silo.no_node_is_free("0/1 nodes are available: 1 Insufficient example.org/gpu.")
    until(lambda: annotation(silo.worker(), "gpu") == "false")
    arguments = silo.pod()["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--device-note") + 1] == "no GPU was free"


class Backend(MemoryCoordinator):
    """Remembers who declined, and why."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.declines: list[tuple[str, pb.Decline]] = []

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        if request.HasField("decline"):
            self.declines.append((peer.silo, request.decline))
        return await super().join(peer, request)


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    folder = tmp_path / "coordinator"
    folder.mkdir()
    with Coordinator(folder, Backend) as coordinator:
        yield coordinator


def the_decline(coordinator: Coordinator) -> pb.Decline:
    backend = coordinator.backend
    assert isinstance(backend, Backend)
    ((silo, decline),) = until(lambda: coordinator.do(lambda _: list(backend.declines)))
    assert silo == SILO
    return decline


def test_a_required_gpu_that_is_not_free_is_a_decline(
    silo: SiloNamespace, started: Started, coordinator: Coordinator
) -> None:
    started(GPU_FILE)
    silo.invite(coordinator.identity(), coordinator.address, gpu="Require")
    silo.pod()
    silo.no_node_is_free("0/1 nodes are available: 1 Insufficient example.org/gpu.")
    decline = the_decline(coordinator)
    assert decline.rule == "gpu"
    assert "none was free: 0/1 nodes are available" in decline.message
    until(lambda: not silo.workers())


@pytest.mark.parametrize(
    ("silo_file", "rule", "said"),
    [
        ({"silo": SILO}, "gpu", "silo hospital-a has none"),
        ({"silo": SILO, "policy": {"requesters": ["alice@example.org"]}}, "policy.requesters", "requested by nobody"),
    ],
)
def test_what_the_silo_will_not_do_is_declined_without_a_worker(
    silo: SiloNamespace, started: Started, coordinator: Coordinator, silo_file: dict[str, Any], rule: str, said: str
) -> None:
    agent = started(silo_file, dialAddress=coordinator.address)
    silo.invite(coordinator.identity(), "nowhere.example.org:443", gpu="Require")
    decline = the_decline(coordinator)
    assert (decline.rule, said in decline.message) == (rule, True)
    assert silo.workers() == []
    assert re.search(r'actions_total\{action="start"\} 0.0', agent.get("/metrics"))


def test_a_secret_that_is_no_invitation_is_left_alone(silo: SiloNamespace, started: Started) -> None:
    agent = started()
    silo.kubectl("create", "secret", "generic", "odd", "--from-literal=invitation.json={}")
    silo.kubectl("label", "secret", "odd", "fedjobs.dev/invitation=true", f"fedjobs.dev/silo={SILO}")
    silo.invite(IDENTITY)
    silo.worker()
    until(lambda: "this Secret is not an invitation" in agent.log.read_text())
    assert 'reconciles_total{outcome="error"} 0.0' in agent.get("/metrics")


def test_a_file_that_is_wrong_ends_the_process_with_3(tmp_path: Path) -> None:
    from fedjobs_agent.command_line import main

    (tmp_path / "agent.yaml").write_text("{silo: hospital-a}")
    assert main(["--config", str(tmp_path / "agent.yaml")]) == 3
