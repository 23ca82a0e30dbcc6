"""The interface of test clusters, for all providers."""

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
    """A test cluster with one node.

    Attributes:
        name: The name that `up` got.
        kubeconfig: An administrator's kubeconfig. It works in this machine's own network.
        bin: A folder with kubectl and helm.
    """

    name: str
    kubeconfig: Path
    bin: Path

    @property
    @abstractmethod
    def node(self) -> str:
        """The name of the node."""

    @property
    @abstractmethod
    def machine_address(self) -> str | None:
        """The address of this machine for pods, or None if pods cannot reach it."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The node's address, at which other clusters reach load balancers and the API server."""

    @property
    @abstractmethod
    def audit_log(self) -> Path | None:
        """The audit log, with one JSON line for each request, or None if there is no such file."""

    @abstractmethod
    def load_images(self, archives: Sequence[Path]) -> None:
        """Loads the images of OCI archives onto the node. Pods use them with imagePullPolicy Never or IfNotPresent.

        Raises:
            ClusterError: A file is not an OCI archive.
        """

    @abstractmethod
    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        """Sends SIGKILL to the first process of a running container, like the kernel's OOM killer.

        Raises:
            ClusterError: The container does not run.
        """

    @abstractmethod
    def inside(self, *command: str) -> list[str]:
        """Returns a command that runs the given command in the node's network namespace. It needs root."""

    @abstractmethod
    def answer_for(self, zones: Mapping[str, str]) -> None:
        """Lets the cluster resolve these external zones, including all names below them, to their addresses.

        All other external names do not exist afterwards.

        Raises:
            ClusterError: The cluster's CoreDNS does not accept the zones.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Provides what each run of the tests uses up: unused volumes."""

    @property
    def kubectl(self) -> Kubectl:
        """Returns kubectl as an administrator."""
        return Kubectl(self.bin / "kubectl", self.kubeconfig)

    def helm(self, *arguments: str) -> str:
        """Runs helm and returns its output.

        Raises:
            ClusterError: helm failed.
        """
        return run([str(self.bin / "helm"), f"--kubeconfig={self.kubeconfig}", *arguments])

    def declare_gpus(self, count: int, resource: str = GPU) -> None:
        """Sets the node's number of GPUs. The scheduler does not check it. Zero removes them."""
        key = resource.replace("~", "~0").replace("/", "~1")
        # The kubelet keeps unknown resources, and copies capacity to allocatable later.
        places = ("capacity", "allocatable")
        patch = [{"op": "add", "path": f"/status/{place}/{key}", "value": str(count)} for place in places]
        self.kubectl("patch", "node", self.node, "--subresource=status", "--type=json", "-p", json.dumps(patch))

    def container_id(self, namespace: str, pod: str, container: str) -> str:
        """Returns the id of a running container of any kind: main, init or sidecar.

        Raises:
            ClusterError: The container does not run.
        """
        status = json.loads(self.kubectl("get", "pod", pod, f"--namespace={namespace}", "-o", "json"))["status"]
        for each in status.get("containerStatuses", []) + status.get("initContainerStatuses", []):
            if each["name"] == container and "running" in each["state"]:
                return str(each["containerID"]).removeprefix("containerd://")
        raise ClusterError(f"container {container} of pod {namespace}/{pod} does not run")


def run(command: Sequence[str]) -> str:
    """Runs a command and returns its output.

    Raises:
        ClusterError: The command failed. The message has its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=without_proxies())
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise ClusterError(f"{' '.join(command)}: {said}")
    return done.stdout
