from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs.cluster import log_lines, logs
from fedjobs.cluster.federated_jobs import FederatedJobs
from fedjobs.cluster.logs import Wanted
from fedjobs_common.errors import FedjobsError

from tests.client.cluster.fake_clusters import FakeCluster, a_coordinator_pod, serving
from tests.client.cluster.jobs_on_a_cluster import AJob


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    cluster = FakeCluster(tmp_path)
    cluster.add("federatedjobs", AJob().complete().body)
    for attempt, line in ((1, b"2026-01-31T12:00:00.1Z first\n"), (2, b"2026-01-31T12:00:02.5Z second\n")):
        cluster.add("pods", a_coordinator_pod(attempt, "Failed"))
        cluster.logs[f"digits-coordinator-{attempt}-x"] = [line]
    return cluster


@pytest.fixture
def jobs(cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FederatedJobs]:
    monkeypatch.setattr(logs, "_LOOK_EVERY_S", 0.01)
    with serving(cluster, tmp_path) as connection:
        yield FederatedJobs(connection)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(), "second"),
        (Wanted(attempt=1), "first"),
        (Wanted(previous=True), "first"),
        (Wanted(follow=True), "second"),
    ],
)
def test_the_log_is_that_of_the_selected_attempt(jobs: FederatedJobs, wanted: Wanted, said: str) -> None:
    assert list(logs.lines(jobs, "digits", wanted)) == [said]


def test_an_attempt_without_a_pod_is_refused_with_those_that_have_one(jobs: FederatedJobs) -> None:
    with pytest.raises(FedjobsError, match=r"no pod of attempt 7\. Choose one .*: 1, 2\."):
        list(logs.lines(jobs, "digits", Wanted(attempt=7)))


def test_a_container_that_has_not_started_has_no_log(jobs: FederatedJobs, cluster: FakeCluster) -> None:
    del cluster.logs["digits-coordinator-2-x"]
    with pytest.raises(FedjobsError, match=r"has no log yet.*--follow"):
        list(logs.lines(jobs, "digits", Wanted()))


def test_a_broken_stream_continues_where_it_was(jobs: FederatedJobs, cluster: FakeCluster) -> None:
    first = b"2026-01-31T12:00:02.5Z a\n2026-01-31T12:00:02.51Z b\n"
    cluster.logs["digits-coordinator-2-x"] = [first, first + b"2026-01-31T12:00:03Z c\n"]
    assert list(logs.lines(jobs, "digits", Wanted(follow=True))) == ["a", "b", "c"]


def test_a_json_line_is_made_readable() -> None:
    line = {
        "event": "round finished",
        "level": "info",
        "timestamp": "2026-01-31T12:00:00Z",
        "job": "digits",
        "round": 3,
    }
    shown = log_lines.readable(json.dumps(line | {"silo": "hospital a", "exception": "Traceback\n  oops"}))
    assert shown.partition(":")[2].partition(" ")[2] == (
        'info    round finished  round=3  silo="hospital a"\n    Traceback\n      oops'
    )


@pytest.mark.parametrize("line", ["plain words", "[1, 2]", '{"no": "event"}', ""])
def test_another_line_is_unchanged(line: str) -> None:
    assert log_lines.readable(line) == line
