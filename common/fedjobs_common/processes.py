"""Which processes of a run are alive, and how they end together.

A run on one machine is several processes. Each writes a file about itself into one folder, so that a person sees what
is running and a launcher can find what a crash left behind. A pid alone does not name a process (it is used again), so
the time of its start is kept with it.
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
        silo: The silo that it works for, if it works for one.
        pid: Process id.
        started: Seconds since the epoch.
        state: The operating system's word for it (running, sleeping, ...), "gone" when it is not there any more.
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
    """Notes that a process (by default this one) is alive.

    The file of the calling process is removed when it exits by itself; after a crash it stays, and `registered` says
    that the process is gone.
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
    """All processes that registered and did not exit by themselves, by role, silo and pid."""
    found = []
    for path in directory.glob("*.json"):
        try:
            content = json.loads(path.read_bytes())
            pid, started = int(content["pid"]), float(content["started"])
            found.append(ProcessInfo(str(content["role"]), content["silo"], pid, started, _state(pid, started)))
        except FileNotFoundError:
            continue  # it exited while we looked
        except (ValueError, KeyError, TypeError):
            continue  # not one of ours
    return sorted(found, key=lambda info: (info.role, info.silo or "", info.pid))


def end_with_parent() -> None:
    """Ends this process when its parent does, also when the parent is killed.

    The parent holds the other end of a pipe that is this process's standard input. At its end this process gets
    SIGTERM, and if it is still there after 10 s, it exits with 70.
    """
    threading.Thread(target=_wait_for_end_of_input, name="lifeline", daemon=True).start()


def _wait_for_end_of_input() -> None:
    # os.read and not sys.stdin: a daemon thread inside a buffered reader breaks the interpreter's shutdown.
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
    # A forked child inherits the exit handler, but the file is not its own.
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
