"""What tests ask of a whole cluster, whoever provides it."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import PATIENCE, Kubectl

GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Cluster(ABC):
    """A test cluster of one node.

    Attributes:
        name: as it was given to `up`.
        kubeconfig: an administrator's; usable from this machine's own network.
        bin: a folder with kubectl and helm.
    """

    name: str
    kubeconfig: Path
    bin: Path

    @property
    @abstractmethod
    def node(self) -> str:
        """The name of its one node."""

    @property
    @abstractmethod
    def machine_address(self) -> str | None:
        """How pods reach servers on this machine, or None where they cannot."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The node's, where other clusters reach load balancers and the API server."""

    @property
    @abstractmethod
    def audit_log(self) -> Path | None:
        """One JSON line for each request that the API server answered, or None where there is no such file."""

    @abstractmethod
    def load_images(self, archives: Sequence[Path]) -> None:
        """Put the images of OCI archives on the node; pods use them with imagePullPolicy Never or IfNotPresent.

        Raises:
            ClusterError: an archive is not one.
        """

    @abstractmethod
    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        """Send SIGKILL to the first process of a running container, as the kernel would.

        Raises:
            ClusterError: it does not run.
        """

    @abstractmethod
    def inside(self, *command: str) -> list[str]:
        """The command, run by this machine in the node's network namespace; needs root."""

    @abstractmethod
    def answer_for(self, zones: Mapping[str, str]) -> None:
        """Let names of the world outside be known in it: these zones, with all names below, and their addresses.

        Every other name of the world outside does not exist from then on.

        Raises:
            ClusterError: its CoreDNS does not take them.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Have what every run of the tests uses up: free volumes."""

    @property
    def kubectl(self) -> Kubectl:
        """As an administrator."""
        return Kubectl(self.bin / "kubectl", self.kubeconfig)

    def helm(self, *arguments: str) -> str:
        """What helm prints.

        Raises:
            ClusterError: it ended with another code than 0.
        """
        return run([str(self.bin / "helm"), f"--kubeconfig={self.kubeconfig}", *arguments])

    def declare_gpus(self, count: int, resource: str = GPU) -> None:
        """Let the node say that it has so many GPUs; the scheduler believes it. Zero takes them away."""
        key = resource.replace("~", "~0").replace("/", "~1")
        places = ("capacity", "allocatable")  # the kubelet keeps what it does not know of, and would copy it later
        patch = [{"op": "add", "path": f"/status/{place}/{key}", "value": str(count)} for place in places]
        self.kubectl("patch", "node", self.node, "--subresource=status", "--type=json", "-p", json.dumps(patch))

    def container_id(self, namespace: str, pod: str, container: str) -> str:
        """The id of a running container, of whatever kind: main, init or sidecar.

        Raises:
            ClusterError: it does not run.
        """
        status = json.loads(self.kubectl("get", "pod", pod, f"--namespace={namespace}", "-o", "json"))["status"]
        for each in status.get("containerStatuses", []) + status.get("initContainerStatuses", []):
            if each["name"] == container and "running" in each["state"]:
                return str(each["containerID"]).removeprefix("containerd://")
        raise ClusterError(f"container {container} of pod {namespace}/{pod} does not run")


def run(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        ClusterError: it ended with another code than 0; with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=without_proxies())
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise ClusterError(f"{' '.join(command)}: {said}")
    return done.stdout
