"""A server of the project as a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.cluster.readiness import tail


class ServerProcess:
    """Runs until it is killed or stopped.

    Attributes:
        log: The file with its standard output and standard error.
        process: The process of the last start.
    """

    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Ends it at once, as the kernel does, with no chance to say or finish anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as a kubelet does, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def _start(self, command: list[str], kubeconfig: Path) -> None:
        """Starts it with the rights of a kubeconfig."""
        with self.log.open("ab") as file:
            environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)

    def _why_it_ended(self) -> str | None:
        return None if self.process.poll() is None else f"it ended, saying: {tail(self.log)}"
