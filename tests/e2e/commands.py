"""The command line, used as a person would: `fedjobs ...` with the kubeconfig of one cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.clusters import Cluster

PATIENCE = 600  # seconds; a job takes half a minute, an old machine much longer


def ended(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """How `fedjobs` with these arguments ended, well or not."""
    command = [str(Path(sys.executable).with_name("fedjobs")), *arguments]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE)


def fedjobs(cluster: Cluster, *arguments: str) -> str:
    """What `fedjobs` with these arguments printed; it must end well."""
    done = ended(cluster, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
