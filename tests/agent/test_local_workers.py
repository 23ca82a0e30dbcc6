"""The agent restarts the runner host of a machine's workers, even if the machine lacks resources for a while."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.workers import local_workers
from fedjobs_agent.workers.local_workers import LocalWorkers
from fedjobs_worker.silo_files import SiloFile

from tests.agent.builders import SILO

pytestmark = pytest.mark.processes


def test_a_runner_host_that_cannot_be_restarted_is_restarted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_workers, "_RUNNER_AGAIN_S", 0.001)
    tries: list[int] = []
    started_again = threading.Event()

    def spawned(_self: LocalWorkers, _arguments: list[str], _log: Path) -> subprocess.Popen[bytes]:
        tries.append(len(tries))
        if tries[-1] == 1:
            raise BlockingIOError("no more processes")
        if tries[-1] == 2:
            started_again.set()
            return subprocess.Popen(["sleep", "60"])
        return subprocess.Popen(["true"])

    monkeypatch.setattr(LocalWorkers, "_spawned", spawned)
    workers = LocalWorkers(AgentConfig(silo=SILO, image="i"), tmp_path)
    workers._ensure_runner(SiloFile(silo=SILO))
    assert started_again.wait(60)
    workers.close()
