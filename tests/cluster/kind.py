"""Test clusters that kind runs. They need neither a registry nor a running Docker daemon."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import (
    binaries,
    docker_daemons,
    dockers,
    node_images,
    processes,
    recognized,
    requirements,
)
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster, run_kind
from tests.cluster.control_planes import AUDIT_POLICY
from tests.cluster.dockers import Docker
from tests.cluster.errors import ClusterError
from tests.cluster.files import locked, write
from tests.cluster.node_roots import FILES

API_SERVER = 6443  # the API server's port at the node's address
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_AUDIT = "/var/log/fedjobs-audit"  # the folder of the audit log in the node


def clusters_folder() -> Path:
    """Returns the folder of all clusters' folders, outside any checkout."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "fedjobs" / "kind"


def up(name: str, say: Callable[[str], None] = lambda _: None) -> Cluster:
    """Returns the running cluster with this name. Keeps an existing cluster, and recreates an incomplete one.

    Raises:
        ClusterError: This machine lacks something, or kind failed. Then nothing of the cluster is left.
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
            return _create(docker, name, say)
        except BaseException:
            _down(docker, name)
            _end_if_idle(docker)
            raise


def down(name: str) -> bool:
    """Deletes the cluster, and stops the project's daemon after the last one. Returns False if there was nothing."""
    _require_name(name)
    with _locked():
        docker = _daemon()
        there = docker is not None and name in _names(docker)
        if docker is None:
            docker_daemons.end()  # a crash may have left something of the daemon
        else:
            _down(docker, name)
            _end_if_idle(docker)
        shutil.rmtree(_folder(name), ignore_errors=True)
        return there


def existing(name: str) -> Cluster | None:
    """Returns the cluster with this name, even if it has problems, or None."""
    docker = _daemon()
    there = docker is not None and name in _names(docker)
    return _cluster(docker, name) if docker and there else None


def opened(name: str, kubeconfig: Path) -> Cluster:
    """Returns the existing cluster.

    Raises:
        ClusterError: No Docker daemon of this machine has the cluster.
    """
    cluster = existing(name)
    if cluster is None:
        raise ClusterError(
            f"no Docker daemon of this machine has the cluster {name} of kind, to which {kubeconfig} refers"
        )
    return replace(cluster, kubeconfig=kubeconfig)


def all_names() -> list[str]:
    """Returns the names of all clusters of kind that Docker has."""
    docker = _daemon()
    return [] if docker is None else _names(docker)


def kubeconfig_of(name: str) -> Path:
    """Returns the path of the kubeconfig that `up` writes."""
    return _folder(name) / "admin.kubeconfig"


def lacks() -> list[str]:
    """Returns what this machine lacks for a cluster of kind, with remedies."""
    built = binaries.built(*binaries.CLUSTER) and all(binaries.built(each) for each in binaries.FOR_KIND)
    return requirements.missing_for_cluster(docker_answers=_daemon() is not None, programs_built=built)


def config(docker: Docker, folder: Path) -> dict[str, Any]:
    """Returns the configuration for kind.

    Args:
        docker: The daemon that runs the node.
        folder: The folder of the cluster.
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


def _create(docker: Docker, name: str, say: Callable[[str], None]) -> Cluster:
    cluster = _cluster(docker, name)
    binaries.ensured(Module.KIND, say=say)
    image = node_images.ensured(docker, say)
    say(f"kind creates cluster {name} from {image}")
    write(cluster.folder / "audit" / "policy.yaml", yaml.safe_dump(AUDIT_POLICY))
    file = write(cluster.folder / "kind.yaml", yaml.safe_dump(config(docker, cluster.folder)))
    options = (f"--config={file}", f"--image={image}", f"--kubeconfig={cluster.kubeconfig}", "--wait=300s")
    run_kind(docker, "create", "cluster", f"--name={name}", *options)
    waiting = ("wait", "--for=condition=Available", "deployment", "--all", "--all-namespaces", "--timeout=240s")
    cluster.kubectl(*waiting)  # DNS and storage
    recognized.mark(cluster.kubectl, name)
    return cluster


def _cluster(docker: Docker, name: str) -> Cluster:
    return Cluster(name, kubeconfig_of(name), _programs(), _folder(name), docker)


def _down(docker: Docker, name: str) -> None:
    for process in processes.running(_folder(name)):  # processes of a proxy
        processes.kill(process.pid)
    if name in _names(docker):
        run_kind(docker, "delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig_of(name)}")
    shutil.rmtree(_folder(name), ignore_errors=True)


def _daemon() -> Docker | None:
    return dockers.of_machine() or docker_daemons.existing()


def _end_if_idle(docker: Docker) -> None:
    if docker.socket is not None and not _names(docker):
        docker_daemons.end()


def _names(docker: Docker) -> list[str]:
    label = "io.x-k8s.kind.cluster"
    return docker("ps", "--all", f"--filter=label={label}", "--format", f'{{{{.Label "{label}"}}}}').split()


def _programs() -> Path:
    return binaries.ensured(*binaries.CLUSTER)


def _folder(name: str) -> Path:
    return clusters_folder() / name


def _locked() -> AbstractContextManager[None]:
    return locked(clusters_folder() / ".lock")


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} cannot be a cluster's name: use at most 40 characters of a-z, 0-9 and -, without - at the ends"
        )
