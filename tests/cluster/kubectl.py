"""Runs kubectl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError

PATIENCE = 300  # seconds, the timeout of one command


class KubectlError(ClusterError):
    """kubectl failed. The message is its error output."""


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl for one cluster and one user: `kubectl("get", "pods", "-o", "name")` returns the output."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl and returns its output.

        Raises:
            KubectlError: kubectl failed.
        """
        done = self.run(*arguments, stdin=stdin)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs kubectl and returns the finished process, whatever its exit status."""
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
        """Applies the manifest with server-side apply."""
        return self("apply", "--server-side", "-f", "-", stdin=manifest)
