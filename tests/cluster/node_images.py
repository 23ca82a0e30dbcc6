"""The image of kind's nodes: the published one if Docker can pull it, or one that is made here.

The new image is stored as an archive in $XDG_CACHE_HOME/fedjobs/images, under a hash of its inputs, so that another
daemon can load it. It has the version of Kubernetes of the other test clusters, and all images that kubeadm starts.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries, images, node_roots, readiness
from tests.cluster.base.debian import RELEASE
from tests.cluster.binaries import Module
from tests.cluster.dockers import Docker
from tests.cluster.errors import ClusterError
from tests.cluster.files import locked
from tests.cluster.scratch_images import architecture, pack, packed

PULLED = "kindest/node:v1.34.0"
NAME = "localhost/fedjobs-kind-node"
_IN_PODS = ("busybox-static", "conntrack", "iptables", "nftables")  # packages that are only unpacked
_APPLETS = ("sh", "mkdir", "rm", "cp", "mv", "sleep", "wget")
_TABLES = [f"{family}{verb}" for family in ("iptables", "ip6tables") for verb in ("", "-save", "-restore")]
_INIT = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'


def ensured(docker: Docker, say: Callable[[str], None] = lambda _: None) -> str:
    """Returns the name of an image that this daemon has. Pulls, loads or makes it, which may take minutes.

    Raises:
        ClusterError: The image can neither be pulled nor made.
    """
    made = f"{NAME}:{digest()}"
    for known in (PULLED, made):
        if docker.succeeds("image", "inspect", known):
            return known
    archive = images.cache_folder() / f"kind-node-{digest()}.tar"
    if docker.socket is None and not archive.exists():  # a daemon that the project started has no registry
        say(f"pulling {PULLED}")
        if docker.succeeds("pull", PULLED):
            return PULLED
    with locked(images.cache_folder() / ".kind-node.lock"):
        if not archive.exists():
            say(f"making the node image of kind (stored in {archive.parent})")
            _make(docker, made, say)
            scratch = archive.with_suffix(f".{os.getpid()}")
            docker("save", "--output", str(scratch), made)
            scratch.replace(archive)
            _forget_others(docker, archive)
        elif not docker.succeeds("image", "inspect", made):
            say(f"loading the node image of kind from {archive}")
            docker("load", "--input", str(archive))
    return made


def digest() -> str:
    """Returns a hash of the inputs of the image."""
    seen = hashlib.blake2b("\0".join([RELEASE, *node_roots.PACKAGES, *_IN_PODS]).encode(), digest_size=8)
    for module in (Module.KUBERNETES, *binaries.FOR_KIND):
        seen.update(binaries.home(module).name.encode())
    for file in (Path(__file__), Path(node_roots.__file__), node_roots.FILES / "pod-network.yaml"):
        seen.update(file.read_bytes())
    return seen.hexdigest()


def _forget_others(docker: Docker, archive: Path) -> None:
    """Deletes images of other versions, unless clusters use them."""
    for old in archive.parent.glob("kind-node-*.tar"):
        if old != archive:
            old.unlink(missing_ok=True)
    for tag in docker("images", "--format", "{{.Tag}}", NAME).split():
        if tag not in archive.name:
            docker.succeeds("rmi", f"{NAME}:{tag}")


@dataclass(frozen=True)
class Small:
    """An image that is loaded into the node's image: one layer, as a tar."""

    name: str
    layer: bytes
    settings: Mapping[str, object]


def _make(docker: Docker, name: str, say: Callable[[str], None]) -> None:
    programs = _programs(say)
    kind = _sources_of_kind()
    version = _run(str(programs["kubeadm"]), "version", "-o", "short").strip()
    with tempfile.TemporaryDirectory(dir=images.cache_folder(), prefix="kind-node-") as scratch:
        root, in_pods = Path(scratch) / "root", Path(scratch) / "in-pods"
        say("Debian's packages for the node")
        _debian(root, "minbase", *node_roots.PACKAGES)
        _debian(in_pods, "extract", *_IN_PODS)
        say("the node's file system, and the images in it")
        node_roots.finish(root, kind, programs, version)
        without_images = f"{name}-without-images"
        _import(docker, root, without_images)
        try:
            _preload(docker, without_images, name, _images(root, in_pods, programs, version), Path(scratch))
        finally:
            docker.succeeds("rmi", "--no-prune", without_images)


def _programs(say: Callable[[str], None]) -> dict[str, Path]:
    """Returns all built programs, by name."""
    folders = [
        binaries.ensured(*binaries.CLUSTER, say=say),
        *(binaries.ensured(each, say=say) for each in binaries.FOR_KIND),
    ]
    found = {file.name: file for folder in folders for file in folder.iterdir()}
    return {**found, "etcd": found["server"]}  # Go uses the name of the package's folder


def _sources_of_kind() -> Path:
    """Returns Go's copy of the module from which the program is built."""
    where = binaries.SOURCES / Module.KIND
    _run("go", "mod", "download", "sigs.k8s.io/kind", cwd=where)
    return Path(_run("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind", cwd=where).strip())


def _debian(into: Path, variant: str, *packages: str) -> None:
    options = ("--quiet", f"--variant={variant}", f"--include={','.join(packages)}", "--format=directory")
    images.run("mmdebstrap", *options, RELEASE, str(into))


def _images(root: Path, in_pods: Path, programs: Mapping[str, Path], version: str) -> Iterator[Small]:
    """Yields the images that kubeadm starts, and those for the pods' storage and network."""
    storage = (root / "kind/manifests/default-storage.yaml").read_text()
    wanted = _run(str(programs["kubeadm"]), "config", "images", "list", "--kubernetes-version", version).split()
    names = {re.split(r"[/:]", each)[-2]: each for each in wanted}
    for part in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        yield _program(names[part], part, programs[part])
    yield _program(names["coredns"], "coredns", programs["coredns"], Entrypoint=["/coredns"])
    yield _program(node_roots.pause_image(root), "pause", programs["pause"], Entrypoint=["/pause"], User="65535:65535")
    provisioner = "local-path-provisioner"
    yield _program(node_roots.provisioner_image(storage), provisioner, programs[provisioner])
    shell = in_pods.with_name("shell") / "bin"
    shell.mkdir(parents=True)
    (shell / "busybox").write_bytes((in_pods / "bin/busybox").read_bytes())
    (shell / "busybox").chmod(0o755)
    for applet in _APPLETS:
        (shell / applet).symlink_to("busybox")
    yield Small(node_roots.helper_image(storage), _tar(shell.parent), {"Env": ["PATH=/bin"]})
    for table in _TABLES:
        link = in_pods / "usr/sbin" / table
        link.unlink(missing_ok=True)
        link.symlink_to("xtables-nft-multi")
    proxy = in_pods / "usr/local/bin/kube-proxy"
    proxy.parent.mkdir(parents=True, exist_ok=True)
    proxy.write_bytes(programs["kube-proxy"].read_bytes())
    proxy.chmod(0o755)
    path = ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    yield Small(names["kube-proxy"], _tar(in_pods), {"Env": path})


def _program(name: str, called: str, program: Path, **settings: object) -> Small:
    return Small(name, packed({called: program.read_bytes()}, mode=0o755), {"Env": ["PATH=/"], **settings})


def _tar(root: Path) -> bytes:
    done = subprocess.run(["tar", "-C", str(root), "--exclude=./dev/*", "-c", "."], capture_output=True, check=False)
    if done.returncode:
        raise ClusterError(f"tar of {root} failed: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _import(docker: Docker, root: Path, name: str) -> None:
    archive = root.with_suffix(".tar")
    _run("tar", "-C", str(root), "--exclude=./dev/*", "-cf", str(archive), ".")
    docker("import", "--change", "ENV container=docker", "--change", _INIT, str(archive), name)
    archive.unlink()


def _preload(docker: Docker, image: str, name: str, small: Iterator[Small], scratch: Path) -> None:
    """Loads these images into the node's containerd, as kind does when it builds a node image."""
    options = ("--detach", "--entrypoint=sleep", "--security-opt=seccomp=unconfined")
    with _ending(docker, docker("run", *options, image, "infinity").strip()) as container:
        docker("exec", "--detach", container, "containerd")
        inside = ("exec", container, "ctr", "--namespace=k8s.io")
        readiness.wait_until("containerd responds", lambda: docker.succeeds(*inside, "version"))
        for each in small:
            file = pack(each.name, each.layer, each.settings, _machine(), scratch / "image.tar")
            importing = ("images", "import", "--label=io.cri-containerd.pinned=pinned", "--no-unpack", "--digests", "-")
            with file.open("rb") as content:
                docker("exec", "--interactive", container, *inside[2:], *importing, stdin=content)
        docker("stop", "--time=0", container)
        docker("commit", "--change", _INIT, container, name)


@contextmanager
def _ending(docker: Docker, container: str) -> Iterator[str]:
    try:
        yield container
    finally:
        docker.succeeds("rm", "--force", "--volumes", container)


def _machine() -> str:
    return architecture(binaries.ensured(Module.KUBEADM) / "kubeadm")


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()[-3000:]}")
    return done.stdout
