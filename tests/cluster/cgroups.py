"""The cgroup of all containers of a cluster, in cgroup v1 (one tree for each controller) or v2 (one tree)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def make(name: str) -> None:
    """Creates the cgroup in every tree. The kubelet requires that it exists."""
    for tree in _trees():
        folder = tree / name
        folder.mkdir(exist_ok=True)
        for file in (
            "cpuset.cpus",
            "cpuset.mems",
        ):  # cgroup v1: they are empty in a new cgroup, and no process can enter it then
            if tree.name == "cpuset" and (tree / file).exists():
                (folder / file).write_text((tree / file).read_text())
    if (_ROOT / "cgroup.controllers").exists():
        for folder in (_ROOT, _ROOT / name):
            for controller in (_ROOT / "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):  # the kubelet reports missing controllers
                    (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(name: str) -> set[int]:
    """Returns the processes in the cgroup and its descendants."""
    found: set[int] = set()
    for tree in _trees():
        for folder in _below(tree / name):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    return found


def remove(name: str) -> None:
    """Removes the cgroup and its descendants. They must have no processes."""
    for tree in _trees():
        for folder in _below(tree / name):
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()


def _trees() -> Iterator[Path]:
    if (_ROOT / "cgroup.procs").exists():
        yield _ROOT
        return
    # A tree is mounted under the names of its controllers. Some of the names are symbolic links.
    yield from (each for each in _ROOT.iterdir() if (each / "cgroup.procs").exists() and not each.is_symlink())


def _below(folder: Path) -> Iterator[Path]:
    """Yields the descendants, the deepest first."""
    if folder.is_dir():
        for each in folder.iterdir():
            if each.is_dir():
                yield from _below(each)
        yield folder
