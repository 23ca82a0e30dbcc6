from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from fedjobs_worker.runner.client import RunnerClient

if TYPE_CHECKING:
    from tests.worker.silo_processes import Silo


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Waits until a condition holds that depends on another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.01)


def host_process(keeper: int) -> psutil.Process:
    """Returns the process that forks runners: the first one in the namespaces that a child of the keeper created."""
    (child,) = psutil.Process(keeper).children()
    (host,) = child.children()
    return host


@dataclass(frozen=True)
class RunnerHost:
    process: subprocess.Popen[bytes]
    socket: str
    registry: Path

    def client(self, silo: str = "hospital-a") -> RunnerClient:
        return RunnerClient(self.socket, silo, threads=1)

    def runners(self) -> list[psutil.Process]:
        return host_process(self.process.pid).children()


@pytest.fixture(scope="session")
def runner_host() -> Iterator[RunnerHost]:
    """One runner host for all tests, so that TensorFlow is imported once."""
    with tempfile.TemporaryDirectory(prefix="fj") as folder:  # the paths of pytest's folders are too long for a socket
        path, registry = f"{folder}/runner.sock", Path(folder) / "processes"
        command = [sys.executable, "-m", "fedjobs_worker.runner", "--listen", path, "--processes", str(registry)]
        process = subprocess.Popen(command)
        yield RunnerHost(process, path, registry)
        process.terminate()
        assert process.wait(20) == 0
        assert not Path(path).exists()


@pytest.fixture
def silo(tmp_path: Path, runner_host: RunnerHost) -> Iterator[Silo]:
    """A silo whose worker is not started yet."""
    from tests.protocol.coordinators import Coordinator
    from tests.worker.silo_processes import Backend, Silo

    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", Backend) as coordinator:
        silo = Silo(tmp_path, coordinator, runner_host)
        yield silo
        silo.stop()
