"""The agent reads the log of each worker's audit container, and no other log. The cluster is a fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.planning.names import JOB_UID
from fedjobs_agent.workers.audit_follower import AuditFollowing
from fedjobs_agent.workers.collected_audit import CollectedAudit
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.consent import audit_chains

from tests.agent.clusters import until
from tests.agent.worker_logs import SILO, WorkerLog


class Logs:
    """Logs of containers, as the API server returns them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.cuts = 0
        self.more = threading.Event()
        """Set when the container has ended."""

    def log_lines(self, pod: str, container: str) -> Iterator[bytes]:
        assert (pod, container) == ("worker-x", "audit")
        yield from self.lines
        if self.cuts:
            self.cuts -= 1
            raise FedjobsError(ErrorCode.UNAVAILABLE, "cut")
        self.more.wait(20)
        yield b""


@pytest.fixture
def logs() -> Iterator[Logs]:
    logs = Logs()
    yield logs
    logs.more.set()


@pytest.fixture
def worker(tmp_path: Path) -> WorkerLog:
    return WorkerLog(tmp_path)


@pytest.fixture
def audit(tmp_path: Path) -> CollectedAudit:
    return CollectedAudit(tmp_path / "audit.jsonl")


@pytest.fixture
def following(logs: Logs, audit: CollectedAudit) -> AuditFollowing:
    return AuditFollowing(logs, audit, SILO)  # type: ignore[arg-type]


def a_pod(restarts: int = 0, state: str = "running", session: str = "") -> dict[str, Any]:
    """Returns a pod.

    Args:
        restarts: How often its audit container was restarted.
        state: The state of the audit container.
        session: The state of the session. Defaults to that of the audit container.
    """
    metadata = {
        "name": "worker-x", "uid": "u", "labels": {JOB_UID: "job-1"},
        "ownerReferences": [{"uid": "job-object-1", "controller": True}],
    }  # fmt: skip
    printer: dict[str, Any] = {"name": "audit", "restartCount": restarts, "state": {state: {}}}
    status = {
        "initContainerStatuses": [{"name": "runner", "restartCount": 7, "state": {"running": {}}}, printer],
        "containerStatuses": [{"name": "session", "restartCount": 3, "state": {session or state: {}}}],
    }
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status}


ENDED = [a_pod(state="terminated")]


def collected(folder: Path) -> list[str]:
    """Returns the work items in the silo's log, and the subjects of other entries."""
    path = folder / "audit.jsonl"
    with path.open("rb") as log:
        assert isinstance(audit_chains.verify(log), audit_chains.Verified)
    return [entry.get("work", entry["subject"]) for entry in audit_chains.entries(path)]


def wait_for_readings(following: AuditFollowing) -> None:
    until(lambda: not any(reading.thread.is_alive() for reading in following._readings.values()))


def test_entries_are_collected_while_the_worker_runs(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works("1", "2").printed()
    for _ in range(3):
        following.follow([a_pod()])
    until(lambda: collected(tmp_path) == ["1", "2"])
    assert len(following._readings) == 1


def test_a_log_that_was_cut_is_read_again_without_duplicates(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works("1").printed()
    logs.cuts = 1
    following.follow([a_pod()])
    wait_for_readings(following)
    logs.lines = worker.works("2").printed()
    following.follow([a_pod()])
    until(lambda: collected(tmp_path) == ["1", "2"])


def test_an_audit_container_that_starts_again_prints_all_entries_again(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works("1").printed()
    following.follow([a_pod()])
    until(lambda: collected(tmp_path) == ["1"])
    logs.lines = worker.works("2").printed()
    following.follow([a_pod(restarts=1)])
    until(lambda: collected(tmp_path) == ["1", "2"])


def test_a_worker_is_settled_when_all_entries_are_collected(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works(*map(str, range(20))).printed(ended=True)
    logs.more.set()
    following.follow(ENDED)
    assert following.settled("job-object-1", ENDED)
    assert collected(tmp_path) == [str(number) for number in range(20)]
    following.follow([])
    assert "gap" not in collected(tmp_path)


def test_a_log_whose_last_line_is_missing_is_read_again(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    """An API server that loses its kubelet ends logs regularly, also that of a container that still runs."""
    logs.lines = worker.works("1").printed()
    logs.more.set()
    following.follow([a_pod()])
    wait_for_readings(following)
    following.follow(ENDED)
    assert not following.settled("job-object-1", ENDED)
    logs.lines = worker.works("2").printed(ended=True)
    assert following.settled("job-object-1", ENDED)
    assert collected(tmp_path) == ["1", "2"]


def test_a_worker_is_not_settled_while_its_audit_container_prints_the_last_entries(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedjobs_agent.workers.audit_follower._SETTLED_S", 0.0)
    logs.lines = worker.works("1").printed()
    pods = [a_pod(session="terminated")]
    following.follow(pods)
    assert not following.settled("job-object-1", pods)
    assert following.settled("another", pods)
    assert following.settled("job-object-1", [a_pod()])


def test_a_worker_whose_log_cannot_be_read_has_a_gap_in_the_silos_log(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works("1").printed()
    logs.cuts = 10
    following.follow(ENDED)
    assert not following.settled("job-object-1", ENDED)
    following.give_up("job-object-1", ENDED)
    assert collected(tmp_path) == ["1", "gap"]


def test_a_pod_that_is_gone_before_its_last_line_was_read_has_a_gap_in_the_silos_log(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines = worker.works("1").printed()
    following.follow([a_pod()])
    until(lambda: collected(tmp_path) == ["1"])
    following.follow([])
    assert collected(tmp_path) == ["1"]  # its log may still be read
    logs.more.set()
    wait_for_readings(following)
    following.follow([])
    assert collected(tmp_path) == ["1", "gap"]
    assert following._readings == {}


def test_a_silo_log_that_cannot_be_written_is_an_error_and_loses_no_entry(
    logs: Logs, worker: WorkerLog, following: AuditFollowing, audit: CollectedAudit, tmp_path: Path
) -> None:
    logs.lines = worker.works("1", "2").printed(ended=True)
    logs.more.set()
    append = audit._append

    def full(entry: dict[str, Any]) -> None:
        raise FedjobsError(ErrorCode.DISK_FULL, "full")

    audit._append = full  # type: ignore[method-assign]
    following.follow(ENDED)
    for _ in range(2):
        with pytest.raises(FedjobsError, match="full"):
            following.settled("job-object-1", ENDED)
    audit._append = append  # type: ignore[method-assign]
    assert following.settled("job-object-1", ENDED)
    assert collected(tmp_path) == ["1", "2"]
