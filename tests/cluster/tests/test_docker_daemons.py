"""The Docker daemon that the project starts: its command, and the capability that the machine may lack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster import docker_daemons, requirements
from tests.cluster.docker_daemons import RUNTIME

ALL, WITHOUT = "000001ffffffffff", "000001fffeffffff"  # capabilities(7): CAP_SYS_RESOURCE is number 24


@pytest.mark.parametrize(("bounding", "lacks"), [(ALL, False), (WITHOUT, True), ("0000000000000000", True)])
def test_a_missing_capability_is_detected_from_the_process(bounding: str, lacks: bool) -> None:
    status = f"Name:\tpython\nCapEff:\t{ALL}\nCapBnd:\t{bounding}\nCapAmb:\t0000000000000000\n"
    assert docker_daemons.lacks_sys_resource(status) is lacks


def test_it_listens_on_a_unix_socket_only_and_replaces_runc_only_if_necessary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements, "program", lambda name: f"/usr/sbin/{name}")
    ordinary = docker_daemons.command(tmp_path, lacks=False)
    hosts = [word for word in ordinary if word.startswith(("--host", "-H"))]
    assert hosts == [f"--host=unix://{tmp_path}/docker.sock"]
    assert not any("runtime" in word for word in ordinary)
    assert f"--add-runtime=fewer={RUNTIME}" in docker_daemons.command(tmp_path, lacks=True)


@pytest.mark.parametrize("way", [["create", "--bundle", "{}"], ["create", "--bundle={}"], ["create", "-b", "{}"]])
def test_the_runtime_removes_one_capability_from_a_container_and_runs_runc(tmp_path: Path, way: list[str]) -> None:
    runc, bundle = tmp_path / "bin" / "runc", tmp_path / "bundle"
    runc.parent.mkdir()
    runc.write_text('#!/bin/sh\necho "$@"\n')
    runc.chmod(0o755)
    bundle.mkdir()
    names = ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", "CAP_SYS_TIME"]
    asked = {"process": {"capabilities": {"bounding": names, "effective": names[1:], "permitted": names[:2]}}}
    (bundle / "config.json").write_text(json.dumps(asked, separators=(",", ":")))
    words = [word.format(bundle) for word in way]

    said = subprocess.run(
        [str(RUNTIME), *words, "name"], env={"PATH": f"{runc.parent}:/usr/bin:/bin"}, capture_output=True, text=True
    )

    assert said.stdout.split() == [*words, "name"]
    left = json.loads((bundle / "config.json").read_text())["process"]["capabilities"]
    assert left == {
        "bounding": ["CAP_SYS_ADMIN", "CAP_SYS_TIME"],
        "effective": ["CAP_SYS_TIME"],
        "permitted": ["CAP_SYS_ADMIN"],
    }
