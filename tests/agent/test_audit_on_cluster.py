"""The agent collects what the audit containers of its workers print. A real API server fetches the logs from a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_agent.planning import names
from fedjobs_worker.consent import audit_chains

from tests.agent.clusters import AgentProcess, SiloNamespace, until
from tests.agent.conftest import Started
from tests.agent.federations import SILO, AgentFederation
from tests.agent.kubelets import LogKubelet
from tests.agent.worker_logs import WorkerLog
from tests.cluster.api_servers import ApiServer

pytestmark = [pytest.mark.api_server, pytest.mark.processes]

FORGED = b'{"audit": true, "time": 1, "silo": "hospital-a", "job": "job-1", "subject": "work", "decision": "allowed"}'


@pytest.fixture
def kubelet(api_server_with_controllers: ApiServer, tmp_path: Path) -> Iterator[LogKubelet]:
    with LogKubelet(api_server_with_controllers, tmp_path / "kubelet") as kubelet:
        yield kubelet


def collected(agent: AgentProcess) -> list[str]:
    """Returns the work items in the silo's log, in the order of the log."""
    with (agent.folder / "audit.jsonl").open("rb") as log:
        assert isinstance(audit_chains.verify(log), audit_chains.Verified)
    return [str(entry["work"]) for entry in agent.audit() if entry["subject"] == "work"]


def test_entries_are_in_the_silos_log_once_and_before_their_worker_is_deleted(
    federation: AgentFederation, silo: SiloNamespace, started: Started, kubelet: LogKubelet, tmp_path: Path
) -> None:
    agent = started()
    federation.invite()
    pod = silo.pod()["metadata"]
    log = WorkerLog(tmp_path, pod["uid"], pod["labels"][names.JOB_UID], SILO)
    kubelet.assign(silo.namespace, pod["name"])
    kubelet.noise.append(FORGED)
    kubelet.printed = log.works("1").printed()
    silo.report_session_running()
    until(lambda: (agent.folder / "audit.jsonl").exists() and collected(agent) == ["1"])
    kubelet.printed = log.works("2").printed()
    until(lambda: collected(agent) == ["1", "2"])  # while the worker runs

    agent.kill()
    kubelet.printed = log.works("3").printed(ended=True)
    kubelet.ended.set()
    kubelet.broken = True
    silo.report_session_ended("Complete")
    federation.withdraw()
    agent.start()
    until(lambda: agent.says("because its log cannot be read"))
    assert silo.worker()
    kubelet.broken = False
    until(lambda: not silo.workers())
    assert collected(agent) == ["1", "2", "3"]
    assert {entry["subject"] for entry in agent.audit()} == {"work"}
