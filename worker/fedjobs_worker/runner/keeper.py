"""The keeper of a runner host: starts the host in its sandbox, stays outside, and ends it.

Only the keeper can write to the folder of live processes and remove the socket. It knows the pids that others see. It
runs no graph.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from fedjobs_common import processes

from fedjobs_worker import kernel_calls
from fedjobs_worker.runner import sandbox
from fedjobs_worker.runner.sandbox import limits

_LONGEST_NAME = 63
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_CREDENTIALS_SIZE = 12  # struct ucred: pid, uid, gid


class Keeper:
    """Keeps one runner host.

    Args:
        registry: The folder in which live processes are registered, if any.
    """

    def __init__(self, registry: Path | None) -> None:
        self._registry = registry
        self._child: int | None = None
        self._reports, self.reporting = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # The kernel adds the sender's pid, as this process sees it.
        self._reports.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def start(self, run: Callable[[bool], int]) -> None:
        """Starts the host. This process must have a single thread.

        Args:
            run: Runs the host until it ends, and returns its exit status. The argument is whether it is in namespaces.
        """
        # Python ignores an exception of a signal handler that runs during a fork.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            self._child = sandbox.enclose(lambda: run(True))
            if self._child is None:
                self._child = _forked(lambda: run(False))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.reporting.close()

    def wait(self) -> int:
        """Waits until the host ends. Registers its runners meanwhile. Returns the host's exit status."""
        if self._child is None:
            return 0
        if self._registry is not None:
            self._register_until_end(self._child, self._registry)
        _, status = os.waitpid(self._child, 0)
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def end(self) -> None:
        """Ends the host with all its runners. Can be called more than once."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        for entry in self._registry.glob("runner.*.json") if self._registry is not None else ():
            with contextlib.suppress(OSError, ValueError):
                pid = int(entry.name.split(".")[-2])
                if not Path(f"/proc/{pid}").exists():
                    entry.unlink(missing_ok=True)

    def _register_until_end(self, child: int, registry: Path) -> None:
        """A file descriptor of a process becomes readable when the process ends."""
        ends = {os.pidfd_open(child): child}
        try:
            poll = select.poll()
            poll.register(self._reports, select.POLLIN)
            for end in ends:
                poll.register(end, select.POLLIN)
            while True:
                for descriptor, _ in poll.poll():
                    if descriptor != self._reports.fileno():
                        pid = ends.pop(descriptor)
                        poll.unregister(descriptor)
                        os.close(descriptor)
                        if pid == child:
                            return
                        for entry in registry.glob(f"runner.*.{pid}.json"):
                            entry.unlink(missing_ok=True)
                        continue
                    pid, silo = self._received()
                    if silo is not None and pid not in ends.values():
                        processes.register(registry, "runner", silo, pid)
                        with contextlib.suppress(OSError):  # it has ended already
                            end = os.pidfd_open(pid)
                            ends[end] = pid
                            poll.register(end, select.POLLIN)
        finally:
            for end in ends:
                os.close(end)

    def _received(self) -> tuple[int, str | None]:
        content, ancillary, _, _ = self._reports.recvmsg(_LONGEST_NAME, socket.CMSG_SPACE(_CREDENTIALS_SIZE))
        pid = next((int.from_bytes(data[:4], "little") for _, _, data in ancillary), 0)
        name = content.decode("ascii", "replace")
        return pid, name if pid > 0 and _NAME.fullmatch(name) else None


def _forked(run: Callable[[], int]) -> int:
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        kernel_calls.die_with_parent()
        if os.getppid() == keeper:
            limits.be_first_out_of_memory()
            status = run()
    finally:
        os._exit(status)  # the keeper's exit handlers must not run here
