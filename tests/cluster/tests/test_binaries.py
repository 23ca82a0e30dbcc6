"""Programs are built once for the same sources, also if several processes ask at the same time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.binaries import Module
from tests.cluster.errors import ClusterError

GO = """#!/bin/sh
echo "$PWD" >> {log}
[ -e {broken} ] && {{ echo "no such module" >&2; exit 1; }}
while [ "$1" != -o ]; do shift; done
touch "$2/helm"
"""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each build. A script replaces Go."""
    log, broken, go = tmp_path / "builds", tmp_path / "broken", tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO.format(log=log, broken=broken))
    go.chmod(0o755)
    sources = tmp_path / "go"
    (sources / "helm").mkdir(parents=True)
    (sources / "helm" / "go.mod").write_text("module helm\n")
    monkeypatch.setattr(binaries, "SOURCES", sources)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return log


def test_programs_are_kept_until_their_sources_change(builds: Path) -> None:
    first = binaries.ensured(Module.HELM)
    assert (first / "helm").exists()
    assert binaries.ensured(Module.HELM) == first
    (binaries.SOURCES / "helm" / "go.sum").write_text("changed\n")
    assert not binaries.built(Module.HELM)
    assert binaries.ensured(Module.HELM) != first
    assert len(builds.read_text().splitlines()) == 2


def test_programs_that_only_kind_needs_have_their_own_folder(builds: Path) -> None:
    together, etcd = binaries.home(Module.HELM), binaries.SOURCES / "etcd" / "go.mod"
    etcd.parent.mkdir()
    etcd.write_text("module etcd\n")
    assert binaries.ensured(Module.ETCD) != binaries.ensured(Module.HELM)
    assert binaries.home(*binaries.CLUSTER) == together


def test_concurrent_callers_share_one_build(builds: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: binaries.ensured(Module.HELM), range(4)))
    assert len(found) == 1
    assert len(builds.read_text().splitlines()) == 1


def test_a_failed_build_reports_the_reason_and_is_retried(builds: Path) -> None:
    broken = builds.parent / "broken"
    broken.touch()
    with pytest.raises(ClusterError, match="no such module"):
        binaries.ensured(Module.HELM)
    broken.unlink()
    assert (binaries.ensured(Module.HELM) / "helm").exists()


def test_the_command_names_the_packages_that_a_cluster_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", "packages"], capture_output=True, text=True, check=True
    )
    assert {"docker.io", "etcd-server", "mmdebstrap", "runc"} <= set(done.stdout.split())
