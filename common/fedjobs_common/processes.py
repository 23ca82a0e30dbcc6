"""Registers the processes of a run, and ends them together.

A run on one machine has several processes. Each writes a file about itself into one folder, so that a person can see
which processes run, and a launcher can find processes that a crash left behind. The file also has the start time of the
process, because the operating system reuses pids.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from fedjobs_common.files import write_atomically

_SAME_START_S = 2.0  # the start is computed from the machine's boot time, which moves when the clock is set
_GRACE_S = 10.0
_EXIT_NOT_ENDED = 70


@dataclass(frozen=True)
class ProcessInfo:
    """One registered process.

    Attributes:
        role: client, coordinator, worker, loader, runner-host or runner.
        silo: The silo that the process works for, if any.
        pid: The process id.
        started: When the process started, in seconds since 1970.
        state: The operating system's state (running, sleeping, ...), or "gone" if the process has exited.
    """

    role: str
    silo: str | None
    pid: int
    started: float
    state: str

    @property
    def alive(self) -> bool:
        return self.state != "gone"


def register(directory: Path, role: str, silo: str | None = None, pid: int | None = None) -> None:
    """Registers a process, by default the calling one.

    The file of the calling process is deleted when it exits normally. After a crash the file stays, and `registered`
    reports the process as gone.
    """
    own = os.getpid()
    pid = own if pid is None else pid
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{role}{f'.{silo}' if silo else ''}.{pid}.json"
    content = {"role": role, "silo": silo, "pid": pid, "started": started}
    write_atomically(path, json.dumps(content).encode())
    if pid == own:
        atexit.register(_forget, path, own)


def registered(directory: Path) -> list[ProcessInfo]:
    """Returns all registered processes that did not exit normally, ordered by role, silo and pid."""
    found = []
    for path in directory.glob("*.json"):
        try:
            content = json.loads(path.read_bytes())
            pid, started = int(content["pid"]), float(content["started"])
            found.append(ProcessInfo(str(content["role"]), content["silo"], pid, started, _state(pid, started)))
        except FileNotFoundError:
            continue  # the process exited meanwhile
        except (ValueError, KeyError, TypeError):
            continue  # not a file of this module
    return sorted(found, key=lambda info: (info.role, info.silo or "", info.pid))


def end_with_parent() -> None:
    """Ends this process when its parent exits or is killed.

    Standard input is a pipe from the parent. At its end, this process gets SIGTERM. If it still runs after 10 s, it
    exits with status 70.
    """
    threading.Thread(target=_wait_for_end_of_input, name="lifeline", daemon=True).start()


def _wait_for_end_of_input() -> None:
    # Use os.read instead of sys.stdin: a daemon thread in a buffered reader breaks the interpreter's shutdown.
    while True:
        try:
            if not os.read(0, 4096):
                break
        except OSError:
            break
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(_EXIT_NOT_ENDED)


def _forget(path: Path, pid: int) -> None:
    # A forked child inherits the exit handler, but the file belongs to its parent.
    if os.getpid() == pid:
        path.unlink(missing_ok=True)


def _state(pid: int, started: float) -> str:
    try:
        process = psutil.Process(pid)
        state = process.status()
        if state == psutil.STATUS_ZOMBIE or abs(process.create_time() - started) > _SAME_START_S:
            return "gone"
    except psutil.NoSuchProcess:
        return "gone"
    return str(state)
