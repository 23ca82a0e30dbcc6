"""The requirements of test clusters, and the packages to install if they are missing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping

from tests.cluster.errors import ClusterError

GO = (1, 24)

# Maps a program (or file) to its Debian package.
API_SERVER: Mapping[str, str] = {"etcd": "etcd-server", "setpriv": "util-linux"}
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
_PACKAGES: Mapping[str, str] = {**API_SERVER, **LINKS, **DOCKER}


def packages() -> list[str]:
    """Returns the Debian packages for API servers, clusters and links. The cluster's are needed if no Docker responds.

    Go is not included, because Debian's version is too old.
    """
    return sorted(set(_PACKAGES.values()))


def missing_for_api_server(programs_built: bool) -> list[str]:
    """Returns what this machine lacks for an API server, with remedies."""
    return [*_missing_programs(API_SERVER), *([] if programs_built else _missing_go())]


def missing_for_docker() -> list[str]:
    """Returns what this machine lacks for a Docker daemon of the project, with remedies."""
    lacks = list(_missing_programs(DOCKER))
    if platform.system() != "Linux" or os.geteuid() != 0:
        lacks.append("root on Linux to start a Docker daemon, or a Docker daemon that responds at $DOCKER_HOST")
    return lacks


def missing_for_cluster(*, docker_answers: bool, programs_built: bool) -> list[str]:
    """Returns what this machine lacks for a whole cluster, with remedies."""
    return [*([] if docker_answers else missing_for_docker()), *([] if programs_built else _missing_go())]


def missing_for_links() -> list[str]:
    """Returns what this machine lacks for links between clusters, in addition to the clusters' requirements."""
    return list(_missing_programs(LINKS))


def require(lacks: list[str]) -> None:
    """Raises an error with all missing requirements, if there are any.

    Raises:
        ClusterError: A requirement is missing.
    """
    if lacks:
        raise ClusterError("this machine lacks what is needed:\n" + "\n".join(f"  - {each}" for each in lacks))


def program(name: str) -> str:
    """Returns the path of a program in the lists above. It also searches /sbin, which a user's PATH may lack."""
    found = which(name)
    if found is None:
        raise ClusterError(f"{name} is missing: apt-get install {_PACKAGES.get(name, name)}")
    return found


def which(name: str) -> str | None:
    """Returns the path of a program, or None."""
    return shutil.which(name, path=search_path())


def search_path() -> str:
    """Returns PATH and the folders of root's programs."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def _missing_programs(programs: Mapping[str, str]) -> Iterable[str]:
    return [f"{each}: apt-get install {package}" for each, package in programs.items() if which(each) is None]


def _missing_go(which_go: Callable[[str], str | None] = shutil.which) -> list[str]:
    advice = f"Go {GO[0]}.{GO[1]} or later, to build Kubernetes from source once: https://go.dev/dl"
    go = which_go("go")
    if go is None:
        return [advice]
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GO:
        return [f"{advice} ({go} is {said or 'of an unknown version'})"]
    return []
