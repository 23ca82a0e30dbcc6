"""Test clusters of processes on this machine, in separate networks. They need root, but no Docker and no registry."""

from __future__ import annotations

import functools
import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries, cgroups, names, processes, readiness, recognized, requirements, storage
from tests.cluster.clusters import Cluster, run
from tests.cluster.control_planes import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.files import locked, write
from tests.cluster.networks import INDICES, Network
from tests.cluster.nodes import Node
from tests.cluster.processes import start as start_process
from tests.cluster.scratch_images import PAUSE, write_archive
from tests.cluster.teardown import remove

PROVIDER = "local"
PARTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "coredns",
)
_LONGEST = 50  # characters; a socket's path has at most 107, a cluster's name 20, and the kubelet appends to it
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class LocalCluster(Cluster):
    """A cluster that `up` started."""

    index: int

    @property
    def folder(self) -> Path:
        """The folder of the cluster's files. The logs are in log/."""
        return self.kubeconfig.parent

    @property
    def node(self) -> str:
        return self.name

    @property
    def machine_address(self) -> str | None:
        return self.network.machine

    @property
    def address(self) -> str:
        return self.network.node

    @property
    def audit_log(self) -> Path | None:
        return self._node.plane.audit_log

    @property
    def network(self) -> Network:
        """The addresses of the cluster. NodePorts are at the node's address."""
        return Network(self.name, self.index)

    @property
    def _node(self) -> Node:
        return _node(self.name, self.index, self.bin)

    def load_images(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            run(self._node.ctr("images", "import", str(archive)))

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        found = self.container_id(namespace, pod, container)
        run(self._node.ctr("tasks", "kill", "--signal", "SIGKILL", found))

    def prepare(self) -> None:
        storage.fill_up(self.kubectl, self._node.volumes)

    def inside(self, *command: str) -> list[str]:
        return self.network.inside(*command)

    def answer_for(self, zones: Mapping[str, str]) -> None:
        names.answer(self._node, zones)

    def problems(self) -> list[str]:
        """Returns the cluster's current problems. The list is empty if it runs and its start was complete."""
        ill = self.ill_parts()
        if not ill:
            try:
                recognized.require_recognized(self.kubectl)
            except ClusterError:
                ill.append("its start was not complete")
        return ill

    def ill_parts(self) -> list[str]:
        """Returns the parts that do not run or are not ready."""
        there = processes.parts(self.folder)
        ended = [f"{part} does not run: {processes.log_of(self.folder, part)}" for part in PARTS if part not in there]
        if "kube-apiserver" not in there or not readiness.answers(self._node.plane, "/readyz"):
            return [*ended, "the API server does not respond"]
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        if self.kubectl.run("get", "node", self.node, "-o", ready).stdout != "True":
            ended.append(f"node {self.node} is not ready")
        return ended


def clusters_folder() -> Path:
    """Returns the folder of all clusters' folders, outside any checkout."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "fedjobs" / "clusters"


def kubeconfig_of(name: str) -> Path:
    """Returns the path of the kubeconfig that `up` writes."""
    return clusters_folder() / name / "admin.kubeconfig"


def existing(name: str) -> LocalCluster | None:
    """Returns the cluster with this name, even if it has problems, or None."""
    try:
        record = json.loads((clusters_folder() / name / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    return LocalCluster(name, kubeconfig_of(name), Path(record["bin"]), int(record["index"]))


def all_names() -> list[str]:
    """Returns the names of all clusters that have a folder, including incomplete ones."""
    folder = clusters_folder()
    return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def up(name: str, index: int | None = None, say: Callable[[str], None] = lambda _: None) -> LocalCluster:
    """Returns the running cluster with this name. Keeps an existing cluster, and recreates an incomplete one.

    Raises:
        ClusterError: This machine lacks something, or a part did not start. Then nothing of the cluster is left.
    """
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} cannot be a cluster's name: use at most 20 characters of a-z, 0-9 and -, and a letter first"
        )
    if len(str(clusters_folder())) > _LONGEST:
        raise ClusterError(f"{clusters_folder()} is too long for a socket's path. Set XDG_STATE_HOME to a shorter path")
    requirements.require(requirements.missing_for_cluster(binaries.built(*binaries.CLUSTER)))
    programs = binaries.ensured(*binaries.CLUSTER, say=say)
    with locked(clusters_folder() / f".{name}.lock"):
        there = existing(name)
        if there is not None and index in {None, there.index} and there.bin == programs and not there.problems():
            return there
        _down(name)
        cluster = _claim_folder(name, index, programs)
        say(f"starting cluster {name} in {cluster.folder}")
        try:
            _start(cluster)
        except BaseException:
            _down(name)
            raise
        return cluster


def down(name: str) -> bool:
    """Stops a cluster in any state and deletes everything of it. Returns False if there was nothing."""
    if not _NAME.fullmatch(name):
        raise ClusterError(f"{name!r} cannot be a cluster's name")
    with locked(clusters_folder() / f".{name}.lock"):
        return _down(name)


def _down(name: str) -> bool:
    folder = clusters_folder() / name
    there = folder.is_dir()
    network = Network(name, 0)  # the devices to remove have the cluster's name, not its index
    remove(folder, cgroup=network.namespace, network=network)
    return there


def _claim_folder(name: str, index: int | None, programs: Path) -> LocalCluster:
    """Creates the folder of a new cluster, with an index that no other cluster uses."""
    with locked(clusters_folder() / ".lock"):
        taken = {there.index: each for each in all_names() if (there := existing(each)) is not None}
        if index is None:
            index = next(each for each in INDICES if each not in taken and not Network(name, each).taken)
        if index in taken:
            raise ClusterError(f"index {index} is in use by cluster {taken[index]}")
        if index not in INDICES:
            raise ClusterError(f"the index must be between {INDICES[0]} and {INDICES[-1]}")
        folder = clusters_folder() / name
        folder.mkdir(parents=True, mode=0o755)
        write(folder / "cluster.json", json.dumps({"index": index, "bin": str(programs)}))
    return LocalCluster(name, kubeconfig_of(name), programs, index)


def _node(name: str, index: int, programs: Path) -> Node:
    network = Network(name, index)
    folder = clusters_folder() / name
    return Node(ControlPlane(name, folder, programs, network.node, 6443, 2379, 2380, network.services), network)


def _start(cluster: LocalCluster) -> None:
    node, network = _node(cluster.name, cluster.index, cluster.bin), cluster.network
    plane = node.plane
    network.make()
    cgroups.make(node.cgroup)
    plane.lay_out()
    node.lay_out()
    names.lay_out(node)
    started: dict[str, subprocess.Popen[bytes]] = {}

    def start(part: str, command: list[str]) -> None:
        started[part] = start_process(node.folder, part, network.inside(*command))

    def wait_for(what: str, reached: Callable[[], bool]) -> None:
        readiness.wait_until(what, reached, broken=lambda: _first_that_ended(node.folder, started))

    start("etcd", plane.etcd(requirements.program("etcd")))
    start("kube-apiserver", plane.api_server("--enable-admission-plugins=NodeRestriction"))
    start("containerd", node.containerd())
    wait_for("the API server responds", functools.partial(readiness.answers, plane, "/readyz"))
    start("kube-controller-manager", plane.controller_manager())
    start("kube-scheduler", plane.scheduler())
    cluster.kubectl.apply(names.ROLES)
    start("coredns", names.command(node))
    wait_for("containerd listens", functools.partial(_listens, node.socket))
    cluster.load_images([write_archive(PAUSE, plane.binaries / "pause", node.folder / "pause.tar")])
    start("kubelet", node.kubelet())
    start("kube-proxy", node.proxy())
    cluster.prepare()
    wait_for("CoreDNS accepts connections", functools.partial(_accepts, network.node, 53))
    default = "/api/v1/namespaces/default/serviceaccounts/default"
    wait_for("the default service account exists", functools.partial(readiness.answers, plane, default))
    wait_for("all parts of the cluster are ready", lambda: not cluster.ill_parts())
    recognized.mark(cluster.kubectl, cluster.name, PROVIDER)


def _first_that_ended(folder: Path, started: Mapping[str, subprocess.Popen[bytes]]) -> str | None:
    endings = (readiness.ending(process, processes.log_of(folder, part)) for part, process in started.items())
    return next(filter(None, endings), None)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as each:
        return each.connect_ex(str(path)) == 0


def _accepts(address: str, port: int) -> bool:
    with socket.socket() as each:
        each.settimeout(2)
        return each.connect_ex((address, port)) == 0
