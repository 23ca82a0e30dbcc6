"""A worker that its silo's cluster does not start: the coordinator gets a decline, and other workers continue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.clusters import SiloNamespace, until
from tests.agent.conftest import Started
from tests.agent.coordinators import coordinator_of, joins, the_decline
from tests.agent.federations import AgentFederation

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


def test_a_worker_that_may_not_be_created_is_declined_and_other_work_continues(
    federation: AgentFederation, silo: SiloNamespace, started: Started, tmp_path: Path
) -> None:
    agent = started(startDeadlineSeconds=1)
    federation.invite("first")
    silo.worker("first")
    silo.no_more_jobs()
    uid = federation.invite()
    until(lambda: agent.says("exceeded quota"))
    federation.withdraw("first")
    until(lambda: not silo.workers("first"))
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        decline = the_decline(coordinator, uid)
    assert decline.rule == "cluster"
    assert decline.message.startswith("The worker of silo hospital-a cannot start: the cluster rejects its Job.")
    assert 'reconciles_total{outcome="error"} 0.0' not in agent.get("/metrics")
    # The token's Secret is deleted, because there is no worker that uses it.
    assert silo.kubectl("get", "secrets", "-l", "fedjobs.dev/job=digits", "-o", "name") == ""
    silo.may_have_jobs()
    silo.worker()
    # The hub limits a silo's tokens per day. The refused worker's token serves this worker; the decline has its own.
    assert len(federation.worker_leases(uid)) == 2


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("image", "ImagePullBackOff in its container session"),
        ("node", "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."),
        ("volume", "its containers have not started (FailedMount)"),
    ],
)
def test_the_reason_why_a_worker_cannot_start_is_reported_and_the_worker_stays(
    federation: AgentFederation, silo: SiloNamespace, started: Started, tmp_path: Path, why: str, said: str
) -> None:
    agent = started(startDeadlineSeconds=1)
    uid = federation.invite()
    worker = silo.worker()
    if why == "image":
        silo.report_session_waiting("ErrImagePull")
    elif why == "node":
        silo.no_node_is_free("0/1 nodes are available: 1 Insufficient cpu.")
    else:
        silo.add_pod_warning("FailedMount")
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        decline = the_decline(coordinator, uid)
        assert (decline.rule, said in decline.message) == ("cluster", True)
        assert silo.worker()["metadata"]["uid"] == worker["metadata"]["uid"]
        entry = agent.audit()[-1]
        assert (entry["decision"], entry["rule"]) == ("refused", "cluster")
        assert len(joins(coordinator)) == 1
