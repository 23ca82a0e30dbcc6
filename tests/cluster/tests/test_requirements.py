"""All missing requirements of a machine are reported together, with the packages to install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster import requirements
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import give_up


def test_everything_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError) as raised:
        requirements.require(requirements.missing_for_cluster(docker_answers=False, programs_built=True))
    for part in ("dockerd: apt-get install docker.io", "runc: apt-get install runc", "root"):
        assert part in str(raised.value)


@pytest.mark.parametrize(("said", "enough"), [("go1.19.8", False), ("go1.24.0", True), ("go2.0", True), ("", False)])
def test_go_must_be_new_enough(said: str, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho {said}\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(requirements, "API_SERVER", {})
    assert (requirements.missing_for_api_server(programs_built=False) == []) is enough
    assert requirements.missing_for_api_server(programs_built=True) == []


def test_a_test_that_cannot_run_is_skipped_but_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no etcd"):
        give_up("no etcd")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no etcd"):
        give_up("no etcd")
