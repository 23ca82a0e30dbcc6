"""The processes of a cluster. They outlive the command that started them, and later commands find them again.

Each process has two environment variables: the folder of its cluster, and the name of the part. Child processes inherit
them (containerd's shims, for example). So all processes are found without files that may be missing or outdated.
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
    """Starts a part of a cluster in a new session. Its output goes to log_of."""
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
    """Returns the path of a part's log."""
    return folder / "log" / f"{part}.log"


def parts(folder: Path) -> set[str]:
    """Returns the running parts of a cluster."""
    return {process.environ()[PART] for process in running(folder)}


def running(folder: Path) -> Iterator[psutil.Process]:
    """Yields all processes of a cluster, including child processes."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(FOLDER) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def kill(pid: int) -> None:
    """Kills a process, if it still exists."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return
