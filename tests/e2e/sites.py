"""A silo that `helm install` installed in its own namespace, and what the silo's administrators do."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.clusters import Cluster
from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError
from tests.cluster.files import write
from tests.e2e import commands

ROOT = Path(__file__).parents[2]
RELEASE = "fedjobs-silo"
RECORDS = "records"  # the ConfigMap that examples/cluster names
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
WORKERS = "app.kubernetes.io/managed-by=fedjobs-agent,app.kubernetes.io/component=worker"
IMAGES: Mapping[str, Any] = {"image": {"tag": "dev", "pullPolicy": "Never"}}
_FILE = "silo.yaml"


@dataclass(frozen=True)
class Site:
    """The place where one silo is installed.

    Attributes:
        silo: Name of the silo.
        cluster: The cluster of the silo's organisation, or the federation's own.
        namespace: The namespace of this silo alone.
    """

    silo: str
    cluster: Cluster
    namespace: str = RELEASE

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    def fedjobs(self, *arguments: str) -> str:
        """Runs `fedjobs silo ...`, as the silo's administrators do."""
        return commands.fedjobs(self.cluster, "silo", *arguments, f"--namespace={self.namespace}")

    def prepare(self, records: Path, *, anew: bool) -> None:
        """Creates the namespace and the data.

        Args:
            records: A folder with the silo's files.
            anew: Whether to delete what an earlier federation may have left there.
        """
        kubectl = self.cluster.kubectl
        if anew:
            kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=180s")
        kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {self.namespace}}}}}")
        kubectl("label", "namespace", self.namespace, RESTRICTED, "--overwrite")
        making = ("create", "configmap", RECORDS, f"--from-file={records}", "--dry-run=client", "-o", "yaml")
        kubectl.apply(self.kubectl(*making))

    def install(self, values: Mapping[str, Any], command: str) -> None:
        """Runs the command of the invitation with these values. The token is never printed."""
        with tempfile.TemporaryDirectory() as folder:
            file = write(Path(folder) / _FILE, yaml.safe_dump(dict(values)))
            program, verb, *words = shlex.split(command)
            assert (program, verb, _FILE in words) == ("helm", "install", True), "unexpected command in the invitation"
            words[words.index("--namespace") + 1] = self.namespace
            self._helm(verb, *(str(file) if word == _FILE else word for word in words), "--wait", "--timeout=240s")

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """Upgrades the release with these values, without a token, and restarts the agent with the current images."""
        with tempfile.TemporaryDirectory() as folder:
            file = write(Path(folder) / _FILE, yaml.safe_dump(dict(values)))
            chart = str(ROOT / "helm/fedjobs-silo")
            self._helm("upgrade", "--install", RELEASE, chart, "-n", self.namespace, "-f", str(file), "--wait")
        self.restart_agent()

    def restart_agent(self) -> None:
        """Deletes the agent's pod, and waits for the next one."""
        self.kubectl("rollout", "restart", "deployment", RELEASE)
        self.kubectl("rollout", "status", "deployment", RELEASE, "--timeout=240s")

    def helm_test(self) -> None:
        """Runs `helm test`, which must succeed."""
        self._helm("test", RELEASE, "-n", self.namespace, "--logs")

    def workers(self, job: str) -> list[dict[str, Any]]:
        """Returns the pods of the silo's workers for a job."""
        selector = f"{WORKERS},fedjobs.dev/job={job},fedjobs.dev/silo={self.silo}"
        return list(json.loads(self.kubectl("get", "pods", "--selector", selector, "-o", "json"))["items"])

    def running_workers(self) -> list[str]:
        """Returns the names of the silo's worker pods that have not ended, for all jobs."""
        pods = json.loads(self.kubectl("get", "pods", "--selector", WORKERS, "-o", "json"))["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]

    def kill(self, pod: str, container: str) -> None:
        """Sends SIGKILL to a container's first process."""
        self.cluster.kill_container(self.namespace, pod, container)

    def in_agent(self, script: str) -> str:
        """Runs a Python script in the agent's container and returns its output."""
        return self.kubectl("exec", f"deployment/{RELEASE}", "-c", "agent", "--", "python", "-c", script)

    def pending(self) -> list[dict[str, Any]]:
        """Returns the computations that wait for approval."""
        return list(json.loads(self.fedjobs("pending", "--json")))

    def audit(self) -> list[dict[str, Any]]:
        """Returns the entries of the silo's audit log."""
        return [json.loads(line) for line in self.fedjobs("audit", "--json").splitlines()]

    def _helm(self, *arguments: str) -> None:
        """Runs helm. Unlike `Cluster.helm`, the error does not contain the command, because it may contain a token."""
        command = [str(self.cluster.bin / "helm"), f"--kubeconfig={self.cluster.kubeconfig}", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=without_proxies(), timeout=300
        )
        if done.returncode:
            raise ClusterError(f"helm {arguments[0]} for {self.silo}: {done.stderr.strip()} {done.stdout[-2000:]}")


def example_values(hospital: str, **more: Any) -> dict[str, Any]:
    """Returns the values of examples/cluster, and those that this machine's images need.

    Args:
        hospital: The hospital whose example to use.
        more: Further values, which override the example's.
    """
    example = yaml.safe_load((ROOT / "examples/cluster" / f"{hospital}.yaml").read_text())
    return {**example, **IMAGES, **more}


def example_records(hospital: str) -> Path:
    """Returns the folder with an example's data. Creates it if it does not exist."""
    folder = ROOT / "examples/digits/data" / hospital
    if not folder.is_dir():
        prepare = [sys.executable, str(ROOT / "examples/digits/prepare.py")]
        subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
    return folder
