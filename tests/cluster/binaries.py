"""Builds the programs of Kubernetes from their Go modules, once, and stores them outside the checkout.

No package registry provides these programs. Each folder in go/ is a Go module that names them as tools, and go.sum pins
every source file. The programs are in $XDG_CACHE_HOME/fedjobs/cluster/<hash of the sources>/bin. The programs of a
cluster share one folder. Those that only kind needs have a folder for each module, and are built only for kind.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.files import locked

SOURCES = Path(__file__).parent / "go"


class Module(StrEnum):
    """A folder of go/."""

    KUBERNETES = "kubernetes"
    HELM = "helm"
    COREDNS = "coredns"
    CONTAINERS = "containers"  # the programs of small images
    KIND = "kind"
    KUBEADM = "kubeadm"
    ETCD = "etcd"
    CRICTL = "crictl"
    LOCAL_PATH = "local-path"


CLUSTER = (Module.KUBERNETES, Module.HELM, Module.COREDNS, Module.CONTAINERS)
"""The modules that every cluster needs. They share one folder of programs."""
FOR_KIND = (Module.KIND, Module.KUBEADM, Module.ETCD, Module.CRICTL, Module.LOCAL_PATH)
"""The further modules that kind and its node image need. Each has its own folder of programs."""


def ensured(*modules: Module, say: Callable[[str], None] = lambda _: None) -> Path:
    """Returns the folder with the programs of these modules. Builds them if they are missing, which takes minutes.

    Several processes can call it at the same time: one builds, and the others wait for it.

    Raises:
        ClusterError: Go is missing, or a build failed. The message has the end of the build's output.
    """
    place = home(*modules)
    for module in modules:
        done = place / f"{module}.built"
        if done.exists():
            continue
        with locked(place / f"{module}.lock"):
            if not done.exists():
                say(f"building {module} (stored in {place})")
                _build(module, place / "bin")
                done.touch()
    return place / "bin"


def built(*modules: Module) -> bool:
    """Returns whether all of them are built."""
    return all((home(module) / f"{module}.built").exists() for module in modules)


def cache_folder() -> Path:
    """Returns the folder of all versions of the programs."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "fedjobs" / "cluster"


def home(*modules: Module) -> Path:
    """Returns the folder of the programs of these modules, which share one folder."""
    [together] = {CLUSTER if module in CLUSTER else (module,) for module in modules}
    return cache_folder() / _digest(together)


def _digest(modules: Sequence[Module]) -> str:
    digest = hashlib.blake2b(digest_size=10)
    for path in sorted(path for module in modules for path in (SOURCES / module).rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCES)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _build(module: Module, into: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ClusterError("Go 1.24 or later is needed to build the parts of a test cluster, but `go` is not in PATH")
    into.mkdir(parents=True, exist_ok=True)
    what = "./..." if module is Module.CONTAINERS else "tool"
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f"{module}-") as scratch:
        command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", _ldflags(module)]
        done = subprocess.run(
            [*command, "-o", f"{scratch}/", what],
            cwd=SOURCES / module,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"building {module} of {SOURCES / module} failed:\n{done.stderr[-3000:]}")
        for program in Path(scratch).iterdir():
            program.replace(into / program.name)


def _ldflags(module: Module) -> str:
    """Returns the linker flags that set the programs' versions."""
    required = (SOURCES / module / "go.mod").read_text()
    if module is Module.CRICTL:
        return f"-s -w -X sigs.k8s.io/cri-tools/pkg/version.Version={_version(required, 'sigs.k8s.io/cri-tools')}"
    if module not in {Module.KUBERNETES, Module.KUBEADM}:
        return "-s -w"
    version = _version(required, "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())]
    )


def _version(required: str, module: str) -> str:
    found = re.search(rf"{re.escape(module)} (v\d+\.\d+\.\d+)", required)
    if found is None:
        raise ClusterError(f"tests/cluster/go: no go.mod requires {module}")
    return found[1]
