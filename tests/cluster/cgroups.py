"""The cgroup that all containers of a cluster are in: of version 1 (a tree for each controller) or 2 (one tree)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def make(name: str) -> None:
    """Make the cgroup in every tree; the kubelet wants to find it."""
    for tree in _trees():
        folder = tree / name
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # version 1: a new one has none, and nothing can enter it
            if tree.name == "cpuset" and (tree / file).exists():
                (folder / file).write_text((tree / file).read_text())
    if (_ROOT / "cgroup.controllers").exists():
        for folder in (_ROOT, _ROOT / name):
            for controller in (_ROOT / "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):  # the kubelet says what it misses
                    (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(name: str) -> set[int]:
    """Every process in the cgroup and below."""
    found: set[int] = set()
    for tree in _trees():
        for folder in _below(tree / name):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    return found


def remove(name: str) -> None:
    """Remove the cgroup, which must have no processes, and all below it."""
    for tree in _trees():
        for folder in _below(tree / name):
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()


def _trees() -> Iterator[Path]:
    if (_ROOT / "cgroup.procs").exists():
        yield _ROOT
        return
    # a tree is mounted under its controllers' names, of which some are links to the first
    yield from (each for each in _ROOT.iterdir() if (each / "cgroup.procs").exists() and not each.is_symlink())


def _below(folder: Path) -> Iterator[Path]:
    """The deepest first."""
    if folder.is_dir():
        for each in folder.iterdir():
            if each.is_dir():
                yield from _below(each)
        yield folder
