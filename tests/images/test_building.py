"""When images are built again, and what a failed build leaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.errors import ClusterError
from tests.cluster.images import Target
from tests.images.dockerfiles import ROOT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with files like those of a checkout."""
    root = tmp_path / "checkout"
    (root / "worker/parts/__pycache__").mkdir(parents=True)
    (root / ".dockerignore").write_text("# only\n*\n!worker\n!uv.lock\n**/__pycache__\n")
    for name in ("Dockerfile", "uv.lock", "worker/parts/one.py", "worker/parts/__pycache__/one.pyc", "notes.md"):
        (root / name).write_text(name)
    return root


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """The targets that were built. A fake builder records them."""
    targets: list[Target] = []

    def builder(target: Target, version: str, archive: Path) -> None:
        targets.append(target)
        archive.write_text(version)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "has_docker", lambda: False)
    monkeypatch.setattr(images, "_with_buildah", builder)
    return targets


def test_the_digest_covers_the_builders_input(source: Path) -> None:
    sent = {str(path.relative_to(source)) for path in images.inputs(source)}
    assert sent == {"Dockerfile", ".dockerignore", "uv.lock", "worker/parts/one.py"}


@pytest.mark.parametrize("name", ["Dockerfile", "uv.lock", "worker/parts/one.py", "worker/parts/two.py"])
def test_a_changed_input_changes_the_digest(source: Path, name: str) -> None:
    before = images.digest(source)
    (source / name).write_text("other")
    assert images.digest(source) != before


@pytest.mark.parametrize("name", ["notes.md", "worker/parts/__pycache__/one.pyc"])
def test_excluded_files_do_not_change_the_digest(source: Path, name: str) -> None:
    before = images.digest(source)
    (source / name).write_text("other")
    assert images.digest(source) == before


def test_unchanged_images_are_not_built_again(built: list[Target]) -> None:
    first = images.build()
    assert images.build() == first
    assert built == list(images.DEFAULT)
    assert all(archive.is_file() and images.cache_folder() in archive.parents for archive in first)


def test_archives_are_kept_outside_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert ROOT not in images.cache_folder().parents


def test_old_archives_are_deleted_and_those_of_other_images_stay(
    built: list[Target], monkeypatch: pytest.MonkeyPatch, set_ages: Callable[[list[Path]], None]
) -> None:
    [other] = images.build([Target.WORKER_GPU])
    archives: list[Path] = []
    for version in range(images.KEPT + 1):
        monkeypatch.setattr(images, "digest", lambda of="", version=version: f"{version:016}")
        archives += images.build([Target.WORKER])
        set_ages(archives)
    assert [archive.exists() for archive in archives] == [False, *[True] * images.KEPT]
    assert other.exists()


def test_a_failed_build_leaves_no_archive(built: list[Target], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(target: Target, version: str, archive: Path) -> None:
        archive.write_text("half of it")
        raise ClusterError("no space")

    monkeypatch.setattr(images, "_with_buildah", broken)
    with pytest.raises(ClusterError, match="no space"):
        images.build([Target.WORKER])
    assert not list(images.cache_folder().glob("fedjobs-*"))


def test_without_a_builder_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    images._base.cache_clear()
    with pytest.raises(ClusterError, match="apt-get install buildah mmdebstrap"):
        images.build([Target.WORKER])


@pytest.fixture
def set_ages() -> Callable[[list[Path]], None]:
    """Returns a function that sets decreasing modification times of archives."""

    def older(archives: list[Path]) -> None:
        for age, archive in enumerate(reversed([path for path in archives if path.exists()])):
            os.utime(archive, (1_700_000_000 - age, 1_700_000_000 - age))

    return older
