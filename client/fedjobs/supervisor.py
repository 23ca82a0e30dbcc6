"""Keeps processes running, and stops each by its own pid.

The standard input of each process is a pipe (`--lifeline`), and only this process has the other end. When this process
ends for any reason, the pipe closes and the child exits. Each child has its own process group, so that Ctrl-C in the
terminal does not reach it: this module decides the order in which the processes stop.
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

STARTED_AGAIN = "the process ended and was restarted"
"""The supervisor's message in the log of a process that it restarted."""
_KILLED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Program:
    """A process to keep running.

    Attributes:
        role: `coordinator`, `worker` or `runner-host`.
        silo: The name of the worker's silo.
        arguments: The arguments of the Python interpreter: `-m`, a module and the module's arguments.
        log: The file to which the output is appended.
        restarts: The restart policy.
        wanted: Called before each restart. The program is not restarted if it returns False.
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
    """Starts a program and restarts it in a background thread, until it ends for good or is stopped.

    Args:
        program: The program to run.
        registry: The folder where live processes are registered. The entry of a process that ended is removed.
    """

    def __init__(self, program: Program, registry: Path) -> None:
        self.program = program
        self.exit_code: int | None = None
        """The exit code of the last process, once the program has ended for good."""
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
        """The pid of the current process, or of the last one."""
        return self._process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits until the program ends for good. Returns its exit code, or None after `timeout` seconds."""
        self._over.wait(timeout)
        return self.exit_code

    def ask_to_end(self) -> None:
        """Sends SIGTERM, and prevents further restarts."""
        with self._lock:
            self._ending.set()
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL, and prevents further restarts."""
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
                    self._note("the process cannot be restarted", error=str(error))
                    break
                self.restarts += 1
            self._note(STARTED_AGAIN, exit_code=code, new_pid=process.pid)
        self.exit_code = code
        self._over.set()

    def _note(self, event: str, **details: object) -> None:
        """Writes to the log of the process, because the terminal may show a live table."""
        line = {"event": event, "process": self.program.title, "time": time.time(), **details}
        with contextlib.suppress(OSError), self.program.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _started(self) -> subprocess.Popen[bytes]:
        program = self.program
        with program.log.open("ab") as log:
            return subprocess.Popen(
                # -P: a file in the working directory must not shadow a module
                [sys.executable, "-P", *program.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(os.environ, program.role),
                process_group=0,
            )


def end_all(supervised: Iterable[Supervised], grace_s: float) -> None:
    """Stops programs together: sends SIGTERM, then SIGKILL to those that still run after the grace period."""
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
    """Waits for registered processes without a supervisor, and kills those that still run after the grace period.

    They are children of processes that were stopped, or of a launcher that crashed. They normally exit by themselves.
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
    """Removes the registry entry of a process that ended."""
    for note in registry.glob(f"*.{pid}.json"):
        note.unlink(missing_ok=True)


def _left(registry: Path) -> list[int]:
    own = os.getpid()
    return [info.pid for info in registered(registry) if info.alive and info.role != "client" and info.pid != own]
