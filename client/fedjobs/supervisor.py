"""Keeps processes running, and ends each by its own pid.

A process has a pipe as its standard input (`--lifeline`) whose other end is ours alone: however we end, the pipe does
too, and nothing is left behind. Its own process group keeps a Ctrl-C of the terminal away from it, because the order in
which processes end is decided here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common.processes import registered

from fedjobs.environments import environment
from fedjobs.restarts import Crashes, RestartPolicy, wait_before_restart

STARTED_AGAIN = "it ended, and was started again"
"""A line of ours in the log of a process."""
_KILLED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Program:
    """A process to keep running.

    Attributes:
        role: coordinator, worker or runner-host.
        silo: That it works for.
        arguments: Of the Python interpreter: `-m`, a module and its arguments.
        log: File to which its output is appended.
        restarts: What follows from its end.
        wanted: Asked before each restart.
    """

    role: str
    silo: str | None
    arguments: tuple[str, ...]
    log: Path
    restarts: RestartPolicy
    wanted: Callable[[], bool] = lambda: True

    @property
    def title(self) -> str:
        return f"{self.role} of {self.silo}" if self.silo else self.role


class Supervised:
    """A program that is kept running by a thread of its own, from now until it ends for good or `end` is called.

    Args:
        program: To run.
        registry: Folder of live processes; the notes of a process that ended are removed there.
    """

    def __init__(self, program: Program, registry: Path) -> None:
        self.program = program
        self.exit_code: int | None = None
        """Of the last process, once the program is over."""
        self.restarts = 0
        self._registry = registry
        self._over = threading.Event()
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process = self._started()
        name = f"supervise {program.title}"
        self._thread = threading.Thread(target=self._keep_running, args=(self._process,), name=name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of its process, or of the last one."""
        return self._process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits until it is over for good; its exit code, None when `timeout` seconds have passed."""
        self._over.wait(timeout)
        return self.exit_code

    def ask_to_end(self) -> None:
        """SIGTERM, and no further restart."""
        with self._lock:
            self._ending.set()
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and no further restart."""
        with self._lock:
            self._ending.set()
            self._process.send_signal(signal.SIGKILL)

    def _keep_running(self, process: subprocess.Popen[bytes]) -> None:
        crashes = Crashes()
        while True:
            since = time.monotonic()
            code = process.wait()
            if process.stdin is not None:
                process.stdin.close()
            forget(self._registry, process.pid)
            crashes = crashes.after(time.monotonic() - since)
            wait = wait_before_restart(self.program.restarts, code, crashes)
            if wait is None or self._ending.wait(wait) or not self.program.wanted():
                break
            with self._lock:
                if self._ending.is_set():
                    break
                try:
                    process = self._process = self._started()
                except OSError as error:
                    self._note("it cannot be started again", error=str(error))
                    break
                self.restarts += 1
            self._note(STARTED_AGAIN, exit_code=code, new_pid=process.pid)
        self.exit_code = code
        self._over.set()

    def _note(self, event: str, **details: object) -> None:
        """Into the log of the process: a terminal may show a table, and a notebook something else."""
        line = {"event": event, "process": self.program.title, "time": time.time(), **details}
        with contextlib.suppress(OSError), self.program.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _started(self) -> subprocess.Popen[bytes]:
        program = self.program
        with program.log.open("ab") as log:
            return subprocess.Popen(
                # -P: what lies in the current folder must not stand in for modules
                [sys.executable, "-P", *program.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(os.environ, program.role),
                process_group=0,
            )


def end_all(supervised: Iterable[Supervised], grace_s: float) -> None:
    """Ends programs together: SIGTERM, and SIGKILL for those that are still there after the grace."""
    programs = list(supervised)
    for program in programs:
        program.ask_to_end()
    deadline = time.monotonic() + grace_s
    for program in programs:
        if program.wait(max(0.0, deadline - time.monotonic())) is None:
            program.kill()
    for program in programs:
        program.wait(_KILLED_WITHIN_S)


def end_leftovers(registry: Path, grace_s: float) -> None:
    """Waits for registered processes that nobody keeps running any more, and kills those that outlast the grace.

    They are children of those that were ended, or of a launcher that crashed, and end by themselves.
    """
    deadline = time.monotonic() + grace_s
    while left := _left(registry):
        if time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    for info in registered(registry):
        if not info.alive:
            forget(registry, info.pid)


def forget(registry: Path, pid: int) -> None:
    """Removes the notes of a process that ended."""
    for note in registry.glob(f"*.{pid}.json"):
        note.unlink(missing_ok=True)


def _left(registry: Path) -> list[int]:
    own = os.getpid()
    return [info.pid for info in registered(registry) if info.alive and info.role != "client" and info.pid != own]
