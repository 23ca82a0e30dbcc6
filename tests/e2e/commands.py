"""Runs the command line `fedjobs ...` with the kubeconfig of one cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.clusters import Cluster

PATIENCE = 600  # seconds; a job takes half a minute, and much longer on an old machine


def ended(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `fedjobs` with these arguments and returns the finished process, whatever its exit status."""
    command = [str(Path(sys.executable).with_name("fedjobs")), *arguments]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE)


def fedjobs(cluster: Cluster, *arguments: str) -> str:
    """Runs `fedjobs` with these arguments and returns its output. Fails if its exit status is not 0."""
    done = ended(cluster, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
