"""Clusters start and end, several at once, and leave nothing behind, even after a crash."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster import cgroups, local, processes
from tests.cluster.fixtures import require_local_clusters
from tests.cluster.local import LocalCluster
from tests.cluster.networks import INDICES, Network

pytestmark = pytest.mark.processes


@pytest.fixture
def cluster_name() -> Iterator[str]:
    """An unused name for a cluster. The cluster is deleted at the end of the test."""
    require_local_clusters()
    name = f"test-{uuid.uuid4().hex[:6]}"
    yield name
    local.down(name)


def traces(name: str) -> list[str]:
    """Returns what exists of a cluster on this machine."""
    folder = local.clusters_folder() / name
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    ours = [each.name() for each in processes.running(folder)]
    inside = [str(pid) for pid in cgroups.processes(f"fedjobs-{name}")]
    places = (folder, Path("/run/netns") / f"fedjobs-{name}", Path("/sys/fs/cgroup/pids") / f"fedjobs-{name}")
    return [*mounts, *ours, *inside, *(str(place) for place in places if place.exists())]


def kill_part(cluster: LocalCluster, part: str) -> None:
    for process in processes.running(cluster.folder):
        if process.environ()[processes.PART] == part:
            process.kill()
            psutil.wait_procs([process], timeout=10)


def test_a_second_cluster_is_independent_and_each_is_deleted_without_a_trace(cluster_name: str) -> None:
    first = local.up(cluster_name)
    second = local.up(f"{cluster_name}-b")
    try:
        assert first.index != second.index
        assert first.problems() == second.problems() == []
        assert local.up(cluster_name) == first  # the existing cluster
        second.kubectl("create", "namespace", "only-here")
        assert "NotFound" in first.kubectl.run("get", "namespace", "only-here").stderr
    finally:
        local.down(second.name)
    assert traces(second.name) == []
    assert first.problems() == []
    assert local.down(cluster_name)
    assert traces(cluster_name) == []
    assert not local.down(cluster_name)


def test_after_a_crash_the_problems_are_reported_and_the_cluster_can_be_recreated(cluster_name: str) -> None:
    cluster = local.up(cluster_name)
    for part in ("kubelet", "containerd", "kube-apiserver"):
        kill_part(cluster, part)
    assert {line.split(" ")[0] for line in cluster.problems()} >= {"kubelet", "containerd", "kube-apiserver"}
    assert local.up(cluster_name).problems() == []


def test_an_incomplete_cluster_leaves_no_trace(cluster_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def start(folder: Path, part: str, command: list[str]) -> subprocess.Popen[bytes]:
        started.append(part)
        if part == "kubelet":
            raise KeyboardInterrupt
        return processes.start(folder, part, command)

    monkeypatch.setattr(local, "start_process", start)
    with pytest.raises(KeyboardInterrupt):
        local.up(cluster_name)
    assert "kube-apiserver" in started
    assert traces(cluster_name) == []


def test_the_index_of_a_deleted_cluster_is_free_immediately(cluster_name: str) -> None:
    index = next(each for each in reversed(INDICES) if not Network(cluster_name, each).taken)
    network, next_one = Network(cluster_name, index), Network(f"{cluster_name}-b", index)
    network.make()
    assert next_one.taken
    with (
        Path("/run/netns") / network.namespace
    ).open():  # the kernel removes an open namespace later, as on a busy machine
        network.remove()
        assert not next_one.taken
        try:
            next_one.make()
        finally:
            next_one.remove()
    assert not next_one.taken
