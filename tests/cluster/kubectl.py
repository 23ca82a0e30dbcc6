"""kubectl as a function."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError

PATIENCE = 300  # seconds that one command may take


class KubectlError(ClusterError):
    """kubectl said no; its words are the message."""


@dataclass(frozen=True)
class Kubectl:
    """Speaks to one cluster as one user: `kubectl("get", "pods", "-o", "name")` is what it prints."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it prints.

        Raises:
            KubectlError: it ended with another code than 0.
        """
        done = self.run(*arguments, stdin=stdin)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """How it ended, well or not."""
        command = [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env=without_proxies(),
        )

    def apply(self, manifest: str) -> str:
        """Apply the manifest on the server's side."""
        return self("apply", "--server-side", "-f", "-", stdin=manifest)
