"""The runner host of one job on a machine without Kubernetes."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable

import structlog

_AGAIN_S = 5.0
_GRACE_S = 5.0
_LOG = structlog.get_logger()


class RunnerHost:
    """Starts a runner host, and restarts it when it dies. Sessions connect again by themselves.

    Args:
        spawn: Starts the process.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, spawn: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._process = spawn()
        threading.Thread(target=self._keep_running, name="runner-host", daemon=True).start()

    def close(self) -> None:
        """Ends the host with all its runners. Can be called more than once."""
        self._closed.set()
        with self._lock:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
            self._process.kill()
            self._process.wait()

    def _keep_running(self) -> None:
        while True:
            code = self._process.wait()
            if self._closed.wait(_AGAIN_S):
                return
            _LOG.error("the runner host ended; restarting it", exit=code)
            with self._lock:
                if self._closed.is_set():
                    return
                try:
                    self._process = self._spawn()
                except OSError as error:  # a temporary lack of memory or processes; the loop tries again
                    _LOG.error("cannot start the runner host; retrying", error=str(error))
