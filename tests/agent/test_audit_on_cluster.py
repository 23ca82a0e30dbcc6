"""The agent collects what its workers print. A real API server fetches the logs from a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fedjobs_worker.consent import audit_chains
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed

from tests.agent.clusters import AgentProcess, SiloNamespace, until
from tests.agent.conftest import Started
from tests.agent.federations import SILO, AgentFederation
from tests.agent.kubelets import LogKubelet
from tests.cluster.api_servers import ApiServer

pytestmark = [pytest.mark.api_server, pytest.mark.processes]

Work = Callable[[int], list[bytes]]


@pytest.fixture
def kubelet(api_server_with_controllers: ApiServer, tmp_path: Path) -> Iterator[LogKubelet]:
    with LogKubelet(api_server_with_controllers, tmp_path / "kubelet") as kubelet:
        yield kubelet


@pytest.fixture
def work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Work:
    """What a worker prints when it allows a work item."""
    audit = Audit(tmp_path / "of-worker.jsonl", SILO, "job-1", tell=True)

    def printed(number: int) -> list[bytes]:
        audit.record("work", Allowed(), work=str(number))
        return [b'{"event": "a line of the log"}', *capsys.readouterr().out.encode().splitlines()]

    return printed


def collected(agent: AgentProcess) -> list[str]:
    """Returns the work items in the silo's log, in the order of the log."""
    with (agent.folder / "audit.jsonl").open("rb") as log:
        assert isinstance(audit_chains.verify(log), audit_chains.Verified)
    return [str(entry["work"]) for entry in agent.audit() if entry["subject"] == "work"]


def test_entries_are_in_the_silos_log_once_and_before_their_worker_is_deleted(
    federation: AgentFederation, silo: SiloNamespace, started: Started, kubelet: LogKubelet, work: Work
) -> None:
    agent = started()
    federation.invite()
    kubelet.takes(silo.namespace, silo.pod()["metadata"]["name"])
    kubelet.printed += work(1)
    silo.the_session_runs()
    until(lambda: (agent.folder / "audit.jsonl").exists() and collected(agent) == ["1"])
    kubelet.printed += work(2)
    until(lambda: collected(agent) == ["1", "2"])  # while the worker runs

    agent.kill()
    kubelet.printed += work(3)
    kubelet.ended.set()
    kubelet.broken = True
    silo.the_session_ends("Complete")
    federation.withdraw()
    agent.start()
    until(lambda: agent.says("because its log cannot be read"))
    assert silo.worker()
    kubelet.broken = False
    until(lambda: not silo.workers())
    assert collected(agent) == ["1", "2", "3"]
