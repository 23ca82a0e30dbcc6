"""The agent as a separate process, with a real hub, a real API server and the Job controller."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from fedjobs_protocol.hub.silo_tokens import decoded
from fedjobs_worker.consent import audit_chains

from tests.agent.clusters import GPU_FILE, RELEASE, SiloNamespace, until
from tests.agent.conftest import Started
from tests.agent.coordinators import coordinator_of, the_decline
from tests.agent.federations import SILO, AgentFederation

pytestmark = [pytest.mark.api_server, pytest.mark.processes]


def annotation(worker: dict[str, Any], name: str) -> str:
    return str(worker["metadata"]["annotations"][f"fedjobs.dev/{name}"])


def test_a_silo_enrols_and_works_for_a_job_as_long_as_it_is_invited(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    agent = started({"silo": SILO, "runner": {"gpu": {}}})
    federation.federation.wait_for(SILO, "Enrolled", "True", "Enrolled")
    federation.federation.wait_for(SILO, "Connected", "True", "AgentConnected")
    assert set(silo.secret("fedjobs-identity")) == {"tls.crt", "tls.key", "ca.crt", "federation.json"}

    federation.invite()
    worker = silo.worker()
    (owner,) = worker["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Deployment", RELEASE)
    assert silo.pod()["spec"]["containers"][0]["image"] == "worker:1"  # the restricted standard admits the pod
    secret = silo.secret(worker["metadata"]["name"])
    assert {"invitation.json", "token", "ca.crt"} <= set(secret)
    own_key = silo.secret("fedjobs-identity")["tls.key"]
    assert own_key not in secret.values()

    federation.withdraw()
    until(lambda: not silo.workers() and not silo.pods())
    until(lambda: not silo.secret(worker["metadata"]["name"]))
    metrics = agent.get("/metrics")
    assert 'reconciles_total{outcome="error"} 0.0' in metrics
    assert "fedjobs_agent_connected 1.0" in metrics
    assert agent.get("/healthz") == "ok\n"
    assert psutil.Process(agent.process.pid).memory_info().rss < 100e6
    agent.process.terminate()
    assert agent.process.wait(20) == 0
    said = agent.log.read_text()
    assert own_key.decode() not in said
    assert decoded(federation.token()).secret not in said


def test_an_agent_that_is_killed_changes_nothing(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    agent = started()
    federation.invite("first")
    worker = silo.worker("first")
    key = silo.secret("fedjobs-identity")["tls.key"]
    agent.kill()
    (agent.folder / "token").unlink()  # the agent needs the token only once
    federation.invite("second")
    agent.start()
    silo.worker("second")
    assert silo.worker("first")["metadata"]["uid"] == worker["metadata"]["uid"]
    assert silo.secret("fedjobs-identity")["tls.key"] == key
    agent.kill()
    federation.withdraw("first")
    federation.withdraw("second")
    agent.start()
    until(lambda: not silo.workers("first") and not silo.workers("second"))


def test_without_a_hub_workers_continue_even_without_the_agent(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    agent = started()
    federation.invite()
    uid = silo.worker()["metadata"]["uid"]
    ports = federation.federation.hub.ports
    federation.federation.hub.kill()
    federation.door.cut()
    agent.kill()
    agent.start()
    until(lambda: agent.says("a call to the hub failed"))
    assert silo.worker()["metadata"]["uid"] == uid
    federation.federation.start_hub(ports=ports)
    federation.invite("other")
    silo.worker("other")
    assert silo.worker()["metadata"]["uid"] == uid


def test_a_silo_that_is_suspended_or_deleted_has_no_workers(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    agent = started()
    federation.invite()
    silo.worker()
    federation.federation.suspend(SILO)
    until(lambda: not silo.workers())
    federation.federation.suspend(SILO, suspend=False)
    silo.worker()
    federation.federation.server.kubectl("delete", "silo", SILO)
    until(lambda: not silo.workers())
    assert agent.process.poll() is None


def test_a_newer_agent_replaces_the_older(federation: AgentFederation, silo: SiloNamespace, started: Started) -> None:
    old = started()
    federation.invite()
    uid = silo.worker()["metadata"]["uid"]
    new = started(folder="another")
    assert old.process.wait(60) == 5
    until(lambda: old.says("another agent of the same silo has replaced it"))
    until(lambda: new.says("connected to the hub"))
    federation.invite("other")
    silo.worker("other")
    assert silo.worker()["metadata"]["uid"] == uid


def test_a_job_that_has_ended_gets_no_new_worker_for_the_same_invitation(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    started()
    federation.invite()
    worker = silo.worker()
    silo.report_session_ended("Complete")
    until(lambda: silo.worker().get("status", {}).get("succeeded"))
    federation.invite("other")
    silo.worker("other")  # the agent has reconciled the first job again by now
    assert silo.worker()["metadata"]["uid"] == worker["metadata"]["uid"]
    federation.invite(by="bob@example.org")
    until(lambda: silo.worker()["metadata"]["uid"] != worker["metadata"]["uid"])


def test_a_suspended_worker_is_created_again_while_its_invitation_exists(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    started()
    federation.invite()
    worker = silo.worker()
    silo.report_session_ended("Suspended")
    until(lambda: silo.worker()["metadata"]["uid"] != worker["metadata"]["uid"])


def test_a_worker_whose_token_was_used_by_another_pod_is_created_again_with_a_new_one(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    started()
    federation.invite()
    worker = silo.worker()
    name = worker["metadata"]["name"]
    token = silo.secret(name)["token"]
    silo.report_session_restarting("InvalidToken")
    until(lambda: silo.worker()["metadata"]["uid"] != worker["metadata"]["uid"])
    assert silo.secret(name)["token"] not in (b"", token)


def test_without_a_free_gpu_the_worker_is_created_again_on_cpu(
    federation: AgentFederation, silo: SiloNamespace, started: Started
) -> None:
    started(GPU_FILE)
    federation.invite(gpu="Prefer")
    assert annotation(silo.worker(), "gpu") == "true"
    limits = silo.pod()["spec"]["initContainers"][0]["resources"]["limits"]
    assert limits["example.org/gpu"] == "1"
    silo.no_node_is_free("0/1 nodes are available: 1 Insufficient example.org/gpu.")
    until(lambda: annotation(silo.worker(), "gpu") == "false")
    arguments = silo.pod()["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--device-note") + 1] == "no GPU was free"


def test_a_required_gpu_that_is_not_free_causes_a_decline(
    federation: AgentFederation, silo: SiloNamespace, started: Started, tmp_path: Path
) -> None:
    started(GPU_FILE)
    uid = federation.invite(gpu="Require")
    silo.pod()
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        silo.no_node_is_free("0/1 nodes are available: 1 Insufficient example.org/gpu.")
        decline = the_decline(coordinator, uid)
        assert decline.rule == "gpu"
        assert "had no free GPU: 0/1 nodes are available" in decline.message
        until(lambda: not silo.workers())


@pytest.mark.parametrize(
    ("silo_file", "rule", "said"),
    [
        ({"silo": SILO}, "gpu", "silo hospital-a has none"),
        ({"silo": SILO, "policy": {"requesters": ["alice@example.org"]}}, "policy.requesters", "requested by nobody"),
    ],
)
def test_an_invitation_that_the_silo_refuses_is_declined_without_a_worker(
    federation: AgentFederation,
    silo: SiloNamespace,
    started: Started,
    tmp_path: Path,
    silo_file: dict[str, Any],
    rule: str,
    said: str,
) -> None:
    agent = started(silo_file)
    uid = federation.invite(gpu="Require")
    with coordinator_of(federation, tmp_path / "coordinator") as coordinator:
        decline = the_decline(coordinator, uid)
    assert (decline.rule, said in decline.message) == (rule, True)
    assert silo.workers() == []
    assert re.search(r'actions_total\{action="start"\} 0.0', agent.get("/metrics"))
    (entry,) = agent.audit()
    assert (entry["decision"], entry["rule"], entry["job"]) == ("refused", rule, uid)
    with (agent.folder / "audit.jsonl").open("rb") as log:
        assert isinstance(audit_chains.verify(log), audit_chains.Verified)


def test_an_invalid_file_ends_the_process_with_3(tmp_path: Path) -> None:
    from fedjobs_agent.command_line import main

    (tmp_path / "agent.yaml").write_text("{silo: hospital-a}")
    assert main(["--config", str(tmp_path / "agent.yaml")]) == 3
