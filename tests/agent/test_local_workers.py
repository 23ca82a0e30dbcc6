"""Each job of a machine has its own runner host, which the agent restarts, even if the machine lacks resources."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.identity.job_identities import Credentials
from fedjobs_agent.planning.planner import Start
from fedjobs_agent.workers import runner_hosts
from fedjobs_agent.workers.local_workers import LocalWorkers
from fedjobs_agent.workers.runner_hosts import RunnerHost
from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_worker.silo_files import SiloFile

from tests.agent.builders import SILO, an_invitation
from tests.worker.conftest import wait_until

pytestmark = pytest.mark.processes

CREDENTIALS = Credentials(token="t", trust=b"", hub=HubLink("127.0.0.1:1", "fedjobs.example.org"))


class Spawned:
    """Starts processes that only wait, and records their arguments."""

    def __init__(self) -> None:
        self.processes: list[tuple[list[str], subprocess.Popen[bytes]]] = []

    def __call__(self, arguments: list[str], _log: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "1000"])
        self.processes.append((arguments, process))
        return process

    def of(self, module: str) -> list[tuple[list[str], subprocess.Popen[bytes]]]:
        return [(arguments, process) for arguments, process in self.processes if arguments[0] == module]


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawned]:
    spawned = Spawned()
    monkeypatch.setattr(LocalWorkers, "_spawned", lambda _self, arguments, log: spawned(arguments, log))
    yield spawned
    for _, process in spawned.processes:
        process.kill()
        process.wait()


def started(folder: Path, silo: SiloFile, *, jobs: int = 1, trusts: bool = False) -> LocalWorkers:
    workers = LocalWorkers(AgentConfig(silo=SILO, image="i"), folder, trusts_job_owners=trusts)
    for number in range(jobs):
        received = an_invitation(f"job-{number}").received
        assert workers.start(Start(received), silo, CREDENTIALS)
    return workers


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_each_job_has_its_own_runner_host(tmp_path: Path, spawned: Spawned) -> None:
    workers = started(tmp_path, SiloFile(silo=SILO), jobs=2)
    hosts, sessions = spawned.of("fedjobs_worker.runner"), spawned.of("fedjobs_worker")
    sockets = [option(arguments, "--listen") for arguments, _ in hosts]
    assert len(set(sockets)) == 2
    assert sockets == [option(arguments, "--runner-socket") for arguments, _ in sessions]

    sessions[0][1].kill()
    wait_until(lambda: hosts[0][1].poll() is not None)
    assert hosts[1][1].poll() is None
    sessions[1][1].kill()
    workers.close()
    assert hosts[1][1].poll() is not None


def test_a_runner_host_is_isolated_and_limited(tmp_path: Path, spawned: Spawned) -> None:
    runner = {"memoryLimitBytes": 2**30, "threadLimit": 300, "threads": 2}
    started(tmp_path, SiloFile.model_validate({"silo": SILO, "runner": runner}))
    ((arguments, _),) = spawned.of("fedjobs_worker.runner")
    assert "--require-isolation" in arguments
    assert option(arguments, "--most-memory") == str(2**30)
    assert option(arguments, "--most-threads") == "300"
    assert option(arguments, "--threads") == "2"


def test_a_runner_host_has_limits_by_default(tmp_path: Path, spawned: Spawned) -> None:
    started(tmp_path, SiloFile(silo=SILO))
    ((arguments, _),) = spawned.of("fedjobs_worker.runner")
    assert int(option(arguments, "--most-memory")) > 0
    assert int(option(arguments, "--most-threads")) >= 1024


def test_a_silo_that_trusts_job_owners_does_not_require_isolation(tmp_path: Path, spawned: Spawned) -> None:
    started(tmp_path, SiloFile(silo=SILO), trusts=True)
    ((arguments, _),) = spawned.of("fedjobs_worker.runner")
    assert "--require-isolation" not in arguments


def test_a_runner_host_that_cannot_be_restarted_is_restarted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_hosts, "_AGAIN_S", 0.001)
    tries: list[int] = []
    started_again = threading.Event()

    def spawn() -> subprocess.Popen[bytes]:
        tries.append(len(tries))
        if tries[-1] == 1:
            raise BlockingIOError("no more processes")
        if tries[-1] == 2:
            started_again.set()
            return subprocess.Popen(["sleep", "60"])
        return subprocess.Popen(["true"])

    host = RunnerHost(spawn)
    assert started_again.wait(60)
    host.close()
