"""Approvals on the silo's own cluster: pending computations come from the workers, and decisions go to a ConfigMap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fedjobs.cluster import remote_commands
from fedjobs.cluster.connections import Connection
from fedjobs.silos import silo_namespaces
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.consent.approvals import CONFIG_MAP, ApprovalFolder
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consent_scopes import ConsentScope
from fedjobs_worker.consent.pending import Pending
from fedjobs_worker.consent.policies import Allowed

from .conftest import Person

pytestmark = pytest.mark.api_server

SHARD = digest(b"shard")
SCOPE = ConsentScope(computation=SHARD)
AGENT = {"app.kubernetes.io/name": "fedjobs", "app.kubernetes.io/component": "agent"}
WORKER = {"app.kubernetes.io/managed-by": "fedjobs-agent", "app.kubernetes.io/component": "worker"}


@pytest.fixture
def a_worker(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Creates a pod that runs, according to the API server, and fakes the output of a command in it."""
    _create_pod(admin, "agent", AGENT)
    _create_pod(admin, "worker", WORKER)
    waiting = Pending(
        digest=SHARD, silo="hospital-a", job_uid="1", job_name="digits", label="train", since=1, until=2e9,
        explanation="what it does\n", scope=SCOPE,
    )  # fmt: skip

    def printed(_: Connection, namespace: str, pod: str, container: str, command: Sequence[str]) -> Iterator[bytes]:
        assert (namespace, pod, container) == (admin.namespace, "worker", "session")
        assert command == ["python", "-m", "fedjobs_worker.consent.pending"]
        yield json.dumps([waiting.model_dump(by_alias=True)]).encode()

    monkeypatch.setattr(remote_commands, "output", printed)


def _create_pod(admin: Person, name: str, labels: dict[str, str]) -> None:
    core = admin.connection().core
    container = {"name": "session", "image": "none"}
    pod = {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}
    core.create_namespaced_pod(admin.namespace, pod)
    core.patch_namespaced_pod_status(name, admin.namespace, {"status": {"phase": "Running"}})


def _mount_decisions(admin: Person, tmp_path: Path) -> ApprovalFolder:
    """Writes the ConfigMap to a folder as the kubelet does for a worker."""
    data = admin.connection().core.read_namespaced_config_map(CONFIG_MAP, admin.namespace).data
    for name, content in data.items():
        (tmp_path / name).write_text(content)
    return ApprovalFolder(tmp_path)


@pytest.mark.usefixtures("a_worker")
def test_a_pending_computation_is_listed_shown_and_approved(admin: Person, tmp_path: Path) -> None:
    assert SHARD[:12] in admin.run("silo", "pending").output
    assert admin.run("silo", "pending", SHARD[:8]).output == "what it does\n"
    approved = admin.run("silo", "approve", SHARD[:8])
    assert approved.exit_code == 0, approved.output
    assert approved.output.endswith(f"approved {SHARD}\n")
    said = _mount_decisions(admin, tmp_path).of(SHARD).covering(SCOPE)
    assert said is not None
    assert said.by


@pytest.mark.usefixtures("a_worker")
def test_a_decision_makes_the_kubelet_update_the_workers_volume(admin: Person) -> None:
    def version() -> str:
        return str(admin.connection().core.read_namespaced_pod("worker", admin.namespace).metadata.resource_version)

    before = version()
    admin.run("silo", "deny", SHARD)
    assert version() != before


@pytest.mark.usefixtures("a_worker")
def test_a_later_decision_replaces_an_earlier_one_and_keeps_others(admin: Person, tmp_path: Path) -> None:
    other = digest(b"another")
    for words in (("deny", other), ("approve", SHARD), ("deny", SHARD, "--message", "not now")):
        shown = admin.run("silo", *words)
        assert shown.exit_code == 0, shown.output
    folder = _mount_decisions(admin, tmp_path)
    denials = [folder.of(each).denial for each in (SHARD, other)]
    assert [said.message for said in denials if said] == ["not now", ""]
    assert folder.of(SHARD).approvals == ()


@pytest.mark.usefixtures("a_worker")
def test_a_computation_that_is_not_pending_cannot_be_approved(admin: Person) -> None:
    shown = admin.run("silo", "approve", digest(b"another"))
    assert shown.exit_code == 3
    assert "is not pending" in shown.output


@pytest.mark.usefixtures("a_worker")
@pytest.mark.parametrize("written", ["", "abc", "ab" * 31, "not a digest" * 6, SHARD[:5]])
def test_an_invalid_digest_is_refused(admin: Person, written: str) -> None:
    shown = admin.run("silo", "approve", written)
    assert shown.exit_code == 3
    assert SHARD[:12] in shown.output


def test_a_worker_that_ends_during_the_call_has_nothing_pending(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    _create_pod(admin, "worker", WORKER)
    monkeypatch.setattr(silo_namespaces, "_PAUSE_S", 0.01)

    def ended(*_: object) -> Iterator[bytes]:
        admin.connection().core.patch_namespaced_pod_status(
            "worker", admin.namespace, {"status": {"phase": "Succeeded"}}
        )
        raise FedjobsError(ErrorCode.UNAVAILABLE, "The connection to the pod worker broke.")

    monkeypatch.setattr(remote_commands, "output", ended)
    assert admin.run("silo", "pending").output == "No computations are pending.\n"


def test_a_worker_that_does_not_respond_is_an_error(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    _create_pod(admin, "worker", WORKER)
    monkeypatch.setattr(silo_namespaces, "_PAUSE_S", 0.01)

    def broken(*_: object) -> Iterator[bytes]:
        raise FedjobsError(ErrorCode.UNAVAILABLE, "The connection to the pod worker broke.")

    monkeypatch.setattr(remote_commands, "output", broken)
    shown = admin.run("silo", "pending")
    assert shown.exit_code == 4
    assert "pod worker broke" in shown.output


@pytest.mark.usefixtures("a_worker")
def test_a_worker_that_restarts_repeatedly_does_not_block_decisions(admin: Person) -> None:
    _create_pod(admin, "broken", WORKER)
    session = {"name": "session", "ready": False, "restartCount": 5, "image": "", "imageID": ""}
    waiting = session | {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    change = {"status": {"containerStatuses": [waiting]}}
    admin.connection().core.patch_namespaced_pod_status("broken", admin.namespace, change)
    denied = admin.run("silo", "deny", SHARD[:8])
    assert denied.exit_code == 0, denied.output


def test_a_decision_without_a_silo_is_not_stored(admin: Person) -> None:
    shown = admin.run("silo", "deny", SHARD)
    assert shown.exit_code == 4
    assert "--namespace" in shown.output
    there = admin.connection().core.list_namespaced_config_map(admin.namespace).items
    assert CONFIG_MAP not in [each.metadata.name for each in there]


def test_without_workers_nothing_is_pending(admin: Person) -> None:
    assert admin.run("silo", "pending").output == "No computations are pending.\n"


def test_the_log_that_the_agent_has_collected_is_shown_and_verified(
    admin: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "hospital-a", "job-1")
    for work in "12":
        audit.record("work", Allowed(), work=work, label="a label\x1b[2J")
    content = (tmp_path / "audit.jsonl").read_bytes()
    _create_pod(admin, "agent", {"app.kubernetes.io/component": "agent"})

    def printed(*_: object) -> Iterator[bytes]:
        yield content[:50]
        yield content[50:]

    monkeypatch.setattr(remote_commands, "output", printed)
    verified = admin.run("silo", "audit", "--verify")
    assert verified.exit_code == 0, verified.output
    assert "2 entries" in verified.output
    shown = admin.run("silo", "audit")
    assert "work=2" in shown.output
    assert "\x1b" not in shown.output
    content = content[:-1]
    assert admin.run("silo", "audit", "--verify").exit_code == 1


def test_without_an_agent_there_is_no_log(admin: Person) -> None:
    shown = admin.run("silo", "audit")
    assert shown.exit_code == 4
    assert "No agent runs in namespace" in shown.output
