"""What is asked of kind, shown by programs that stand for it: kind itself needs Docker and a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import binaries, kind
from tests.cluster.errors import ClusterError
from tests.cluster.kind import KindCluster

POD = (
    '{"status": {"containerStatuses": [{"name": "main", "state": {"running": {}}, "containerID": "containerd://abc"}]}}'
)
ANSWER = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$*" in *"get pod"*) echo '{pod}';; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each command."""
    log = tmp_path / "calls"
    for name in ("kind", "docker", "kubectl"):
        program = tmp_path / name
        program.write_text(ANSWER.format(log=log, pod=POD))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(binaries, "ensured", lambda *_: tmp_path)
    return log


def test_a_cluster_is_made_from_the_file_and_marked(calls: Path) -> None:
    cluster = kind.up("tests")
    assert cluster.node == "tests-control-plane"
    made = [line for line in calls.read_text().splitlines() if "create cluster" in line]
    assert made == [
        f"kind create cluster --name=tests --wait=120s --config={kind.CONFIG} --kubeconfig={cluster.kubeconfig}"
    ]
    assert "kubectl --kubeconfig" in calls.read_text().splitlines()[-1]
    assert kind.CONFIG.exists()


def test_images_and_containers_go_by_the_nodes_name(calls: Path, tmp_path: Path) -> None:
    cluster = KindCluster("tests", tmp_path / "kubeconfig", tmp_path)
    cluster.load_images([Path("operator.tar")])
    cluster.kill_container("default", "coordinator", "main")
    lines = calls.read_text().splitlines()
    assert lines[0] == "kind load image-archive operator.tar --name=tests"
    assert lines[-1] == "docker exec tests-control-plane ctr --namespace=k8s.io tasks kill --signal=SIGKILL abc"


def test_without_docker_it_says_what_is_missing(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "which", lambda name: None if name == "docker" else name)
    with pytest.raises(ClusterError, match="docker is missing"):
        kind.up("tests")
