"""A cluster of kind's, the same to tests. It needs no registry, and no Docker daemon that is running already."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import (
    binaries,
    docker_daemons,
    dockers,
    kind_names,
    node_images,
    processes,
    recognized,
    requirements,
)
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster
from tests.cluster.control_planes import AUDIT_POLICY
from tests.cluster.dockers import Docker
from tests.cluster.errors import ClusterError
from tests.cluster.files import locked, write
from tests.cluster.local import clusters_folder
from tests.cluster.node_roots import FILES

PROVIDER = "kind"
API_SERVER = 6443  # its port at the node's address
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_AUDIT = "/var/log/fedjobs-audit"  # in the node


@dataclass(frozen=True)
class KindCluster(Cluster):
    """One that `up` made with kind."""

    docker: Docker

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return _folder(self.name)

    @property
    def node(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def address(self) -> str:
        return self._of_network("IPAddress")

    @property
    def gateway(self) -> str:
        """The node's, and what calls come from that were made to a port that Docker publishes."""
        return self._of_network("Gateway")

    @property
    def machine_address(self) -> str | None:
        return self.docker.machine or self.gateway or None

    @property
    def audit_log(self) -> Path | None:
        return self.folder / "audit" / "audit.log"

    def inside(self, *command: str) -> list[str]:
        return self.docker.inside(self.node, *command)

    def answer_for(self, zones: Mapping[str, str]) -> None:
        kind_names.answer(self.kubectl, zones)

    def load_images(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            _kind(self.docker, "load", "image-archive", str(archive), f"--name={self.name}")

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        found = self.container_id(namespace, pod, container)
        self.docker("exec", self.node, "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", found)

    def prepare(self) -> None:
        """Nothing: kind makes a volume for each claim."""

    def problems(self) -> list[str]:
        """What is wrong with it now; empty when it is well and was started to the end."""
        if self.docker("inspect", "--format", "{{.State.Running}}", self.node).strip() != "true":
            return [f"container {self.node} does not run"]
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        asked = self.kubectl.run("get", "node", self.node, "--request-timeout=20s", "-o", ready)
        if asked.returncode:
            return ["the API server does not answer"]
        ill = [] if asked.stdout == "True" else [f"node {self.node} is not ready"]
        try:
            recognized.require_recognized(self.kubectl)
        except ClusterError:
            ill.append("its start was not finished")
        return ill

    def _of_network(self, what: str) -> str:
        template = f"{{{{range .NetworkSettings.Networks}}}}{{{{.{what}}}}}{{{{end}}}}"
        return self.docker("inspect", "--format", template, self.node).strip()


def up(name: str, say: Callable[[str], None] = lambda _: None) -> KindCluster:
    """The cluster of that name, well and ready; one that is there already is kept, half of one is made anew.

    Raises:
        ClusterError: something is missing on this machine, or kind could not do it; then nothing of it stays behind.
    """
    _require_name(name)
    requirements.require(lacks())
    with _locked():
        docker = _daemon() or docker_daemons.ensured()
        try:
            there = existing(name)
            if there is not None and not there.problems():
                return there
            _down(docker, name)
            return _made(docker, name, say)
        except BaseException:
            _down(docker, name)
            _end_if_idle(docker)
            raise


def down(name: str) -> bool:
    """End the cluster of that name, and the project's daemon if it was the last one; False if there was nothing."""
    _require_name(name)
    with _locked():
        docker = _daemon()
        there = docker is not None and name in _names(docker)
        if docker is None:
            docker_daemons.end()  # of which a crash may have left something
        else:
            _down(docker, name)
            _end_if_idle(docker)
        shutil.rmtree(_folder(name), ignore_errors=True)
        return there


def existing(name: str) -> KindCluster | None:
    """The cluster of that name, well or not, or None."""
    docker = _daemon()
    there = docker is not None and name in _names(docker)
    return KindCluster(name, kubeconfig_of(name), _programs(), docker) if docker and there else None


def opened(name: str, kubeconfig: Path) -> KindCluster:
    """The cluster that is there already.

    Raises:
        ClusterError: no Docker daemon here has it.
    """
    cluster = existing(name)
    if cluster is None:
        raise ClusterError(
            f"no Docker daemon of this machine has the cluster {name} of kind, to which {kubeconfig} leads"
        )
    return KindCluster(name, kubeconfig, cluster.bin, cluster.docker)


def all_names() -> list[str]:
    """Every cluster of kind's that Docker has."""
    docker = _daemon()
    return [] if docker is None else _names(docker)


def kubeconfig_of(name: str) -> Path:
    """Where `up` writes it."""
    return _folder(name) / "admin.kubeconfig"


def lacks() -> list[str]:
    """What this machine lacks for such a cluster, each with what to do."""
    built = binaries.built(*binaries.CLUSTER) and all(binaries.built(each) for each in binaries.FOR_KIND)
    return requirements.missing_for_kind(docker_answers=_daemon() is not None, programs_built=built)


def config(docker: Docker, folder: Path) -> dict[str, Any]:
    """What kind is asked for.

    Args:
        docker: where the node will run.
        folder: of the cluster.
    """
    found: dict[str, Any] = yaml.safe_load((FILES / "cluster.yaml").read_text())
    [node] = found["nodes"]
    node["extraMounts"] = [
        {"hostPath": str(FILES / "patches"), "containerPath": "/patches", "readOnly": True},
        {"hostPath": str(folder / "audit"), "containerPath": _AUDIT},
    ]
    node["kubeadmConfigPatches"].append(yaml.safe_dump(_audited()))
    if docker.address is not None:
        found["networking"] = {"apiServerAddress": docker.address, "apiServerPort": -1}  # Docker chooses the port
    return found


def _audited() -> Mapping[str, Any]:
    files = {"audit-policy-file": f"{_AUDIT}/policy.yaml", "audit-log-path": f"{_AUDIT}/audit.log"}
    volume = {"name": "audit", "hostPath": _AUDIT, "mountPath": _AUDIT}
    server = {"extraArgs": {**files, "audit-log-maxsize": "1000"}, "extraVolumes": [volume]}
    return {"kind": "ClusterConfiguration", "apiServer": server}


def _made(docker: Docker, name: str, say: Callable[[str], None]) -> KindCluster:
    cluster = KindCluster(name, kubeconfig_of(name), _programs(), docker)
    binaries.ensured(Module.KIND, say=say)
    image = node_images.ensured(docker, say)
    say(f"kind makes cluster {name} of {image}")
    write(cluster.folder / "audit" / "policy.yaml", yaml.safe_dump(AUDIT_POLICY))
    file = write(cluster.folder / "kind.yaml", yaml.safe_dump(config(docker, cluster.folder)))
    options = (f"--config={file}", f"--image={image}", f"--kubeconfig={cluster.kubeconfig}", "--wait=300s")
    _kind(docker, "create", "cluster", f"--name={name}", *options)
    waiting = ("wait", "--for=condition=Available", "deployment", "--all", "--all-namespaces", "--timeout=240s")
    cluster.kubectl(*waiting)  # names, and volumes
    recognized.mark(cluster.kubectl, name, PROVIDER)
    return cluster


def _down(docker: Docker, name: str) -> None:
    for process in processes.running(_folder(name)):  # a proxy's
        processes.kill(process.pid)
    if name in _names(docker):
        _kind(docker, "delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig_of(name)}")
    shutil.rmtree(_folder(name), ignore_errors=True)


def _daemon() -> Docker | None:
    return dockers.of_machine() or docker_daemons.existing()


def _end_if_idle(docker: Docker) -> None:
    if docker.socket is not None and not _names(docker):
        docker_daemons.end()


def _names(docker: Docker) -> list[str]:
    label = "io.x-k8s.kind.cluster"
    return docker("ps", "--all", f"--filter=label={label}", "--format", f'{{{{.Label "{label}"}}}}').split()


def _kind(docker: Docker, *arguments: str) -> str:
    return docker.run(str(binaries.ensured(Module.KIND) / "kind"), *arguments)


def _programs() -> Path:
    return binaries.ensured(*binaries.CLUSTER)


def _folder(name: str) -> Path:
    return clusters_folder().with_name("kind") / name


def _locked() -> AbstractContextManager[None]:
    return locked(clusters_folder().with_name("kind") / ".lock")


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ClusterError(f"{name!r} cannot be a cluster's name: at most 40 of a-z, 0-9 and -, no - at its ends")
