"""The agent copies each audit entry that workers print to the silo's log, once. The cluster is a fake."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.workers.audit_follower import AuditFollowing
from fedjobs_agent.workers.collected_audit import CollectedAudit
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.consent import audit_chains

from tests.agent.clusters import until


class Logs:
    """Logs of containers, as the API server returns them."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, bool], list[bytes]] = {}
        self.cuts = 0
        self.more = threading.Event()
        """Set when the running container has ended."""

    def log_lines(self, pod: str, container: str, *, previous: bool) -> Iterator[bytes]:
        assert container == "session"
        yield from self.lines.get((pod, previous), [])
        if self.cuts:
            self.cuts -= 1
            raise FedjobsError(ErrorCode.UNAVAILABLE, "cut")
        if not previous:
            self.more.wait(20)


@pytest.fixture
def logs() -> Iterator[Logs]:
    logs = Logs()
    yield logs
    logs.more.set()


@pytest.fixture
def following(logs: Logs, tmp_path: Path) -> AuditFollowing:
    return AuditFollowing(logs, CollectedAudit(tmp_path / "audit.jsonl"))  # type: ignore[arg-type]


def printed(number: int) -> bytes:
    return json.dumps({"audit": True, "job": "j", "time": number, "previous": audit_chains.NOTHING}).encode()


def a_pod(restarts: int = 0, state: str = "running") -> dict[str, Any]:
    metadata = {"name": "worker-x", "uid": "u", "ownerReferences": [{"uid": "job-1", "controller": True}]}
    status: dict[str, Any] = {"name": "session", "restartCount": restarts, "state": {state: {}}}
    if restarts:
        status["lastState"] = {"terminated": {}}
    return {"metadata": metadata, "status": {"containerStatuses": [status]}}


def collected_entries(folder: Path) -> list[int]:
    path = folder / "audit.jsonl"
    with path.open("rb") as log:
        assert isinstance(audit_chains.verify(log), audit_chains.Verified)
    return [json.loads(line)["time"] for line in path.read_text().splitlines()]


def test_entries_are_collected_while_the_worker_runs(logs: Logs, following: AuditFollowing, tmp_path: Path) -> None:
    logs.lines["worker-x", False] = [b"a line of the log", printed(1), printed(2)]
    for _ in range(3):
        following.follow([a_pod()])
    until(lambda: collected_entries(tmp_path) == [1, 2])


def test_a_log_that_was_cut_is_read_again_without_duplicates(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines["worker-x", False] = [printed(1)]
    logs.cuts = 1
    following.follow([a_pod()])
    until(lambda: not any(reading.thread.is_alive() for reading in following._readings.values()))
    logs.lines["worker-x", False].append(printed(2))
    following.follow([a_pod()])
    until(lambda: collected_entries(tmp_path) == [1, 2])


def test_what_a_container_printed_before_it_restarted_is_not_lost(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines["worker-x", True] = [printed(1)]
    logs.lines["worker-x", False] = [printed(2)]
    following.follow([a_pod(restarts=1)])
    until(lambda: sorted(collected_entries(tmp_path)) == [1, 2])


def test_a_worker_is_settled_when_all_entries_are_collected(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines["worker-x", False] = [printed(number) for number in range(20)]
    logs.more.set()
    pods = [a_pod(state="terminated")]
    following.follow(pods)
    assert following.settled("job-1", pods)
    assert len(collected_entries(tmp_path)) == 20


def test_a_log_that_ends_regularly_while_the_container_runs_is_read_again(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    """An API server that loses its kubelet ends logs like this."""
    logs.more.set()
    for number in (1, 2):
        logs.lines.setdefault(("worker-x", False), []).append(printed(number))
        following.follow([a_pod()])
        until(lambda number=number: collected_entries(tmp_path)[-1:] == [number])  # type: ignore[misc]
        following._readings["u", 0].thread.join(20)
    logs.lines["worker-x", False].append(printed(3))
    pods = [a_pod(state="terminated")]
    following.follow(pods)
    assert following.settled("job-1", pods)
    assert collected_entries(tmp_path) == [1, 2, 3]


def test_entries_after_an_early_end_are_collected_before_the_worker_is_settled(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    """The reading that began while the container ran still continues when the container has ended."""
    logs.lines["worker-x", False] = [printed(1)]
    following.follow([a_pod()])
    until(lambda: collected_entries(tmp_path) == [1])
    logs.lines["worker-x", False] = [printed(1), printed(2)]
    pods = [a_pod(state="terminated")]
    following.follow(pods)
    logs.more.set()
    assert following.settled("job-1", pods)
    assert collected_entries(tmp_path) == [1, 2]


def test_a_worker_is_not_settled_while_its_log_cannot_be_read(
    logs: Logs, following: AuditFollowing, tmp_path: Path
) -> None:
    logs.lines["worker-x", False] = [printed(1)]
    logs.cuts = 1
    logs.more.set()
    pods = [a_pod(state="terminated")]
    following.follow(pods)
    assert not following.settled("job-1", pods)
    following.follow(pods)
    assert following.settled("job-1", pods)
    assert collected_entries(tmp_path) == [1]
    assert following.settled("another", pods)
