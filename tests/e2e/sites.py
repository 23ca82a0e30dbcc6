"""A silo where it is installed by `helm install`, in a namespace of its own, and what its people do."""

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
    """One silo's place.

    Attributes:
        silo: its name.
        cluster: of the silo's organisation, or the federation's own.
        namespace: for the silo alone.
    """

    silo: str
    cluster: Cluster
    namespace: str = RELEASE

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    def fedjobs(self, *arguments: str) -> str:
        """`fedjobs silo ...`, as the silo's people use it."""
        return commands.fedjobs(self.cluster, "silo", *arguments, f"--namespace={self.namespace}")

    def prepare(self, records: Path, *, anew: bool) -> None:
        """Have the namespace and the data.

        Args:
            records: a folder with the silo's files.
            anew: whether what an earlier federation may have left there goes.
        """
        kubectl = self.cluster.kubectl
        if anew:
            kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=180s")
        kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {self.namespace}}}}}")
        kubectl("label", "namespace", self.namespace, RESTRICTED, "--overwrite")
        making = ("create", "configmap", RECORDS, f"--from-file={records}", "--dry-run=client", "-o", "yaml")
        kubectl.apply(self.kubectl(*making))

    def install(self, values: Mapping[str, Any], command: str) -> None:
        """Type the line of the invitation, with these values as its file; the token is shown nowhere."""
        with tempfile.TemporaryDirectory() as folder:
            file = write(Path(folder) / _FILE, yaml.safe_dump(dict(values)))
            program, verb, *words = shlex.split(command)
            assert (program, verb, _FILE in words) == ("helm", "install", True), "the invitation has another line"
            words[words.index("--namespace") + 1] = self.namespace
            self._helm(verb, *(str(file) if word == _FILE else word for word in words), "--wait", "--timeout=240s")

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """Give the release these values, and no token: it is enrolled. A new agent has read them, of the images now."""
        with tempfile.TemporaryDirectory() as folder:
            file = write(Path(folder) / _FILE, yaml.safe_dump(dict(values)))
            chart = str(ROOT / "helm/fedjobs-silo")
            self._helm("upgrade", "--install", RELEASE, chart, "-n", self.namespace, "-f", str(file), "--wait")
        self.restart_agent()

    def restart_agent(self) -> None:
        """End the agent's pod, and wait for the next."""
        self.kubectl("rollout", "restart", "deployment", RELEASE)
        self.kubectl("rollout", "status", "deployment", RELEASE, "--timeout=240s")

    def helm_test(self) -> None:
        """`helm test`: it must succeed."""
        self._helm("test", RELEASE, "-n", self.namespace, "--logs")

    def workers(self, job: str) -> list[dict[str, Any]]:
        """The pods of its workers for a job."""
        selector = f"{WORKERS},fedjobs.dev/job={job},fedjobs.dev/silo={self.silo}"
        return list(json.loads(self.kubectl("get", "pods", "--selector", selector, "-o", "json"))["items"])

    def running_workers(self) -> list[str]:
        """The names of its workers' pods, of whatever job, that have not ended."""
        pods = json.loads(self.kubectl("get", "pods", "--selector", WORKERS, "-o", "json"))["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]

    def kill(self, pod: str, container: str) -> None:
        """Send SIGKILL to a container's first process."""
        self.cluster.kill_container(self.namespace, pod, container)

    def in_agent(self, script: str) -> str:
        """What a Python script in the agent's container prints."""
        return self.kubectl("exec", f"deployment/{RELEASE}", "-c", "agent", "--", "python", "-c", script)

    def pending(self) -> list[dict[str, Any]]:
        """The computations that wait for a person."""
        return list(json.loads(self.fedjobs("pending", "--json")))

    def audit(self) -> list[dict[str, Any]]:
        """The entries of its audit log."""
        return [json.loads(line) for line in self.fedjobs("audit", "--json").splitlines()]

    def _helm(self, *arguments: str) -> None:
        """Unlike `Cluster.helm`, it does not say the line when it fails: a token may be in it."""
        command = [str(self.cluster.bin / "helm"), f"--kubeconfig={self.cluster.kubeconfig}", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=without_proxies(), timeout=300
        )
        if done.returncode:
            raise ClusterError(f"helm {arguments[0]} for {self.silo}: {done.stderr.strip()} {done.stdout[-2000:]}")


def example_values(hospital: str, **more: Any) -> dict[str, Any]:
    """Values of examples/cluster, and what this machine's images need.

    Args:
        hospital: whose example.
        more: further values, which come before the example's.
    """
    example = yaml.safe_load((ROOT / "examples/cluster" / f"{hospital}.yaml").read_text())
    return {**example, **IMAGES, **more}


def example_records(hospital: str) -> Path:
    """The folder with an example's data, made if it is not there."""
    folder = ROOT / "examples/digits/data" / hospital
    if not folder.is_dir():
        prepare = [sys.executable, str(ROOT / "examples/digits/prepare.py")]
        subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
    return folder
