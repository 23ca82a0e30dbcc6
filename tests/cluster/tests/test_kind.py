"""The calls of kind and Docker, recorded by scripts that replace them. test_clusters uses the real programs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster import binaries, docker_daemons, dockers, kind, node_images
from tests.cluster.clusters import Cluster
from tests.cluster.dockers import Docker
from tests.cluster.errors import ClusterError

POD = (
    '{"status": {"containerStatuses": [{"name": "main", "state": {"running": {}}, "containerID": "containerd://abc"}]}}'
)
ANSWER = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$*" in *"get pod"*) echo '{pod}';; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each command. A Docker daemon responds."""
    log = tmp_path / "calls"
    for name in ("kind", "docker", "kubectl"):
        program = tmp_path / name
        program.write_text(ANSWER.format(log=log, pod=POD))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(binaries, "ensured", lambda *_, say=None: tmp_path)
    monkeypatch.setattr(binaries, "built", lambda *_: True)
    return log


def test_a_cluster_uses_the_published_image_if_docker_has_it_and_is_marked(calls: Path) -> None:
    cluster = kind.up("tests")
    assert cluster.node == "tests-control-plane"
    lines = calls.read_text().splitlines()
    [made] = [line for line in lines if "create cluster" in line]
    assert f"--image={node_images.PULLED}" in made
    assert f"--kubeconfig={cluster.kubeconfig}" in made
    assert "kubectl --kubeconfig" in lines[-1]


def test_a_daemon_of_the_project_publishes_the_api_server_at_its_address(tmp_path: Path) -> None:
    ours = kind.config(Docker(tmp_path / "socket", "10.0.0.2", "10.0.0.1"), tmp_path)
    assert ours["networking"] == {"apiServerAddress": "10.0.0.2", "apiServerPort": -1}
    assert "networking" not in kind.config(Docker(), tmp_path)


def test_kubeadm_is_configured_to_write_an_audit_log_that_this_machine_can_read(tmp_path: Path) -> None:
    [node] = kind.config(Docker(), tmp_path)["nodes"]
    patches = [yaml.safe_load(patch) for patch in node["kubeadmConfigPatches"]]
    [log] = [patch["apiServer"]["extraArgs"]["audit-log-path"] for patch in patches if "apiServer" in patch]
    [folder] = [each for each in node["extraMounts"] if log.startswith(each["containerPath"] + "/")]
    audit_log = Cluster("tests", tmp_path / "kubeconfig", tmp_path, tmp_path, Docker()).audit_log
    assert Path(log).name == audit_log.name
    assert Path(folder["hostPath"]).name == audit_log.parent.name


def test_images_and_containers_are_addressed_by_the_nodes_name(calls: Path, tmp_path: Path) -> None:
    cluster = Cluster("tests", tmp_path / "kubeconfig", tmp_path, tmp_path, Docker())
    cluster.load_images([Path("operator.tar")])
    cluster.kill_container("default", "coordinator", "main")
    lines = calls.read_text().splitlines()
    assert lines[0] == "kind load image-archive operator.tar --name=tests"
    assert lines[-1] == "docker exec tests-control-plane ctr --namespace=k8s.io tasks kill --signal=SIGKILL abc"


def test_without_a_daemon_the_error_names_the_missing_requirements(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockers, "of_machine", lambda: None)
    monkeypatch.setattr(docker_daemons, "existing", lambda: None)
    monkeypatch.setenv("PATH", str(calls.parent))
    monkeypatch.setattr("tests.cluster.requirements.which", lambda name: None)
    with pytest.raises(ClusterError, match=r"dockerd: apt-get install docker\.io"):
        kind.up("tests")


@pytest.mark.parametrize("name", ["", "../tests", "Tests", "-tests", "tests-", "a b"])
def test_an_invalid_name_is_refused(calls: Path, name: str) -> None:
    with pytest.raises(ClusterError, match="cannot be a cluster's name"):
        kind.down(name)
    assert not calls.exists()
