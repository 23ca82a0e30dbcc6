"""The image of nginx for machines without a registry: made of Debian's packages, once."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import images, nginx_images
from tests.cluster.errors import ClusterError


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run. A fake runner creates an empty root file system."""
    seen: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        seen.append(command)
        with tarfile.open(command[-1], "w") as root:
            root.addfile(tarfile.TarInfo("etc"))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(images, "has_docker", lambda: False)
    monkeypatch.setattr(images, "run", run)
    return seen


def test_it_is_built_once_from_nginx_and_its_stream_module(commands: list[tuple[str, ...]]) -> None:
    first = nginx_images.build()
    assert nginx_images.build() == first
    [command] = commands
    assert command[0] == "mmdebstrap"
    assert "--include=libnginx-mod-stream,nginx" in command


def test_it_has_its_name_and_runs_as_a_numeric_user_who_is_not_root(commands: list[tuple[str, ...]]) -> None:
    with tarfile.open(nginx_images.build()) as archive:
        [entry] = _json(archive, "index.json")["manifests"]
        manifest = _blob(archive, entry)
        config = _blob(archive, manifest["config"])["config"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == nginx_images.TAG
    assert config["User"] == "65532:65532"
    assert config["Cmd"][0] == "nginx"


def test_a_root_that_cannot_be_created_leaves_nothing(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: str) -> None:
        raise ClusterError("no network")

    monkeypatch.setattr(images, "run", broken)
    with pytest.raises(ClusterError, match="no network"):
        nginx_images.build()
    assert not [path for path in images.cache_folder().iterdir() if not path.name.startswith(".")]


def _json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    assert file is not None
    return dict(json.load(io.TextIOWrapper(file)))


def _blob(archive: tarfile.TarFile, descriptor: dict[str, Any]) -> dict[str, Any]:
    return _json(archive, f"blobs/{descriptor['digest'].replace(':', '/')}")
