"""Runs a server of the project as a separate process."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.cluster.readiness import tail


class ServerProcess:
    """A server process that runs until it is killed or stopped.

    Attributes:
        log: The file with its standard output and standard error.
        process: The process of the last start.
    """

    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kills the process with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stops the process with SIGTERM, as a kubelet does, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def _start(self, command: list[str], kubeconfig: Path) -> None:
        """Starts the process with the permissions of a kubeconfig."""
        with self.log.open("ab") as file:
            environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)

    def _why_it_ended(self) -> str | None:
        return None if self.process.poll() is None else f"it ended with the log: {tail(self.log)}"
