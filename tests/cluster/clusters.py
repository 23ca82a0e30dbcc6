"""A test cluster: one node, which kind runs in a container of Docker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries, names, recognized
from tests.cluster.binaries import Module
from tests.cluster.dockers import Docker
from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import PATIENCE, Kubectl

GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Cluster:
    """A test cluster that `kind.up` started.

    Attributes:
        name: The name that `kind.up` got.
        kubeconfig: An administrator's kubeconfig. It works in this machine's own network.
        bin: A folder with kubectl and helm.
        folder: The folder of the cluster's files.
        docker: The daemon that runs the node.
    """

    name: str
    kubeconfig: Path
    bin: Path
    folder: Path
    docker: Docker

    @property
    def node(self) -> str:
        """The name of the node, and of its container."""
        return f"{self.name}-control-plane"

    @property
    def address(self) -> str:
        """The node's address, at which other clusters reach load balancers and the API server."""
        return self._of_network("IPAddress")

    @property
    def gateway(self) -> str:
        """The node's gateway. Connections to ports that Docker publishes come from this address."""
        return self._of_network("Gateway")

    @property
    def machine_address(self) -> str | None:
        """The address of this machine for pods, or None if pods cannot reach it."""
        return self.docker.machine or self.gateway or None

    @property
    def audit_log(self) -> Path:
        """The audit log, with one JSON line for each request."""
        return self.folder / "audit" / "audit.log"

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

    def load_images(self, archives: Sequence[Path]) -> None:
        """Loads the images of OCI archives onto the node. Pods use them with imagePullPolicy Never or IfNotPresent.

        Raises:
            ClusterError: A file is not an OCI archive.
        """
        for archive in archives:
            run_kind(self.docker, "load", "image-archive", str(archive), f"--name={self.name}")

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        """Sends SIGKILL to the first process of a running container, like the kernel's OOM killer.

        Raises:
            ClusterError: The container does not run.
        """
        found = self.container_id(namespace, pod, container)
        self.docker("exec", self.node, "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", found)

    def inside(self, *command: str) -> list[str]:
        """Returns a command that runs the given command in the node's network namespace. It needs root."""
        return self.docker.inside(self.node, *command)

    def answer_for(self, zones: Mapping[str, str]) -> None:
        """Lets the cluster resolve these external zones, including all names below them, to their addresses.

        All other external names do not exist afterwards.

        Raises:
            ClusterError: The cluster's CoreDNS does not accept the zones.
        """
        names.answer(self.kubectl, zones)

    def problems(self) -> list[str]:
        """Returns the cluster's current problems. The list is empty if it runs and its start was complete."""
        if self.docker("inspect", "--format", "{{.State.Running}}", self.node).strip() != "true":
            return [f"container {self.node} does not run"]
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        asked = self.kubectl.run("get", "node", self.node, "--request-timeout=20s", "-o", ready)
        if asked.returncode:
            return ["the API server does not respond"]
        ill = [] if asked.stdout == "True" else [f"node {self.node} is not ready"]
        try:
            recognized.require_recognized(self.kubectl)
        except ClusterError:
            ill.append("its start was not complete")
        return ill

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

    def _of_network(self, what: str) -> str:
        template = f"{{{{range .NetworkSettings.Networks}}}}{{{{.{what}}}}}{{{{end}}}}"
        return self.docker("inspect", "--format", template, self.node).strip()


def run_kind(docker: Docker, *arguments: str) -> str:
    """Runs kind with a daemon, and returns its output.

    Raises:
        ClusterError: kind failed. The message has its output.
    """
    return docker.run(str(binaries.ensured(Module.KIND) / "kind"), *arguments)


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
