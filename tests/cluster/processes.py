"""The processes of a cluster, which outlive the command that started them and are found again however that one ended.

Each has two variables in its environment: the folder of its cluster, and the part that it is. What it starts inherits
them (containerd's shims), so that all can be found, without files that may be missing or old.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.cluster.environments import without_proxies
from tests.cluster.requirements import search_path

FOLDER = "FEDJOBS_TEST_CLUSTER_FOLDER"
PART = "FEDJOBS_TEST_CLUSTER_PART"


def start(folder: Path, part: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a part of the cluster of that folder, in a session of its own; what it says goes to log_of."""
    log = log_of(folder, part)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**without_proxies(), "PATH": search_path(), FOLDER: str(folder), PART: part},
            start_new_session=True,
        )


def log_of(folder: Path, part: str) -> Path:
    """What a part said."""
    return folder / "log" / f"{part}.log"


def parts(folder: Path) -> set[str]:
    """The parts of the cluster of that folder that run."""
    return {process.environ()[PART] for process in running(folder)}


def running(folder: Path) -> Iterator[psutil.Process]:
    """Every process that was started for the cluster of that folder, and what those started."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(FOLDER) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def kill(pid: int) -> None:
    """End a process now, if it is still there."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return
