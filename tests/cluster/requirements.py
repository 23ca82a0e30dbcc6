"""What a machine must have for a test cluster, and what to install where it does not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.cluster.errors import ClusterError

CNI_PLUGINS = Path("/usr/lib/cni")
GO = (1, 24)

# Program (or file) and the Debian package that has it.
API_SERVER: Mapping[str, str] = {"etcd": "etcd-server", "setpriv": "util-linux"}
CLUSTER: Mapping[str, str] = {
    **API_SERVER,
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "sysctl": "procps",
    "umount": "mount",
    "nsenter": "util-linux",
}
LINKS: Mapping[str, str] = {"nft": "nftables", "tinyproxy": "tinyproxy"}
DOCKER: Mapping[str, str] = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mmdebstrap": "mmdebstrap",
}
_PACKAGES: Mapping[str, str] = {**CLUSTER, **LINKS, **DOCKER}


def packages() -> list[str]:
    """The Debian packages that clusters and links between them need; Go is not among them, for Debian's is too old."""
    return sorted({*CLUSTER.values(), *LINKS.values()})


def missing_for_api_server(programs_built: bool) -> list[str]:
    """What an API server of its own lacks here, each with what to do; empty when it can be started."""
    return [*_missing_programs(API_SERVER), *([] if programs_built else _missing_go())]


def missing_for_cluster(programs_built: bool) -> list[str]:
    """What a whole cluster lacks here, each with what to do; empty when it can be started."""
    lacks = [*_missing_programs(CLUSTER), *([] if programs_built else _missing_go())]
    if platform.system() != "Linux":
        lacks.append("Linux")
    elif os.geteuid() != 0:
        lacks.append("root: network namespaces, mounts and cgroups are made")
    return lacks


def packages_of_kind() -> list[str]:
    """The Debian packages that a cluster of kind's needs where no Docker daemon answers."""
    return sorted({*DOCKER.values(), *LINKS.values()})


def missing_for_docker() -> list[str]:
    """What a Docker daemon of the project's own lacks here, each with what to do; empty when it can be started."""
    lacks = list(_missing_programs(DOCKER))
    if platform.system() != "Linux" or os.geteuid() != 0:
        lacks.append("root on Linux, to start a Docker daemon; or one that answers at $DOCKER_HOST")
    return lacks


def missing_for_kind(*, docker_answers: bool, programs_built: bool) -> list[str]:
    """What a cluster of kind's lacks here, each with what to do; empty when it can be started."""
    return [*([] if docker_answers else missing_for_docker()), *([] if programs_built else _missing_go())]


def missing_for_links() -> list[str]:
    """What links between clusters lack here, beside what the clusters need."""
    return list(_missing_programs(LINKS))


def require(lacks: list[str]) -> None:
    """Raise with the whole list, unless it is empty.

    Raises:
        ClusterError: something is missing.
    """
    if lacks:
        raise ClusterError("this machine lacks what is needed:\n" + "\n".join(f"  - {each}" for each in lacks))


def program(name: str) -> str:
    """The path of a program of the lists above; /sbin is looked into though a user's PATH may lack it."""
    found = which(name)
    if found is None:
        raise ClusterError(f"{name} is missing: apt-get install {_PACKAGES.get(name, name)}")
    return found


def which(name: str) -> str | None:
    """Where it is, or None."""
    return shutil.which(name, path=search_path())


def search_path() -> str:
    """PATH, and where programs of root are."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def _missing_programs(programs: Mapping[str, str]) -> Iterable[str]:
    return [f"{each}: apt-get install {package}" for each, package in programs.items() if which(each) is None]


def _missing_go(which_go: Callable[[str], str | None] = shutil.which) -> list[str]:
    advice = f"Go {GO[0]}.{GO[1]} or later, to build Kubernetes from its sources (once): https://go.dev/dl"
    go = which_go("go")
    if go is None:
        return [advice]
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GO:
        return [f"{advice} ({go} is {said or 'of an unknown version'})"]
    return []
