"""The file system of a node of kind: Debian's packages, kind's files for node images, and the built programs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.errors import ClusterError

FILES = Path(__file__).with_name("kind_files")
PACKAGES = (
    *("bash", "ca-certificates", "conntrack", "containerd", "containernetworking-plugins", "ethtool", "iproute2"),
    *("iptables", "jq", "kmod", "mount", "nftables", "procps", "runc", "systemd", "util-linux"),
)
PROGRAMS = {"kubeadm": "usr/bin", "kubelet": "usr/bin", "kubectl": "usr/bin", "crictl": "usr/local/bin"}
"""The built programs, and the folders where kind expects them."""
_STORAGE = "pkg/build/nodeimage/const_storage.go"
_NOWHERE = "http://127.0.0.1:9"
_SERVICES = "10.96.0.0/16"


def finish(root: Path, kind: Path, programs: Mapping[str, Path], version: str) -> None:
    """Turns Debian's file system into one that kind can start as a node.

    Args:
        root: The file system, with PACKAGES. All files must belong to root.
        kind: The sources of kind's Go module.
        programs: The programs of PROGRAMS.
        version: The version of Kubernetes.
    """
    _install(root, kind / "images/base/files", programs)
    storage = storage_manifest((kind / _STORAGE).read_text())
    network = (FILES / "pod-network.yaml").read_text().replace("IMAGE # of busybox", helper_image(storage))
    _write(root / "kind/manifests/default-storage.yaml", storage)
    _write(root / "kind/manifests/default-cni.yaml", network)
    _write(root / "kind/version", version)
    (root / "etc/kubernetes/manifests").mkdir(parents=True)
    _set_up_containerd(root)
    _set_up_systemd(root)
    for place in ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/man"):
        shutil.rmtree(root / place, ignore_errors=True)


def storage_manifest(source: str) -> str:
    """Returns kind's manifest of its storage provisioner. In the source, it is a constant in parts with images' names.

    Args:
        source: The Go file.

    Raises:
        ClusterError: The constant has another form than in kind 0.30.
    """
    names = dict(re.findall(r'^const (\w+) = "(.*)"$', source, re.MULTILINE))
    _, found, whole = source.partition("const defaultStorageManifest = ")
    if not found:
        raise ClusterError(f"{_STORAGE} of kind's Go module has no defaultStorageManifest")
    pieces = re.findall(r"`([^`]*)`|\b(\w+)\b(?= \+)", whole)
    return "".join(text or names[name] for text, name in pieces)


def provisioner_image(storage: str) -> str:
    """Returns the name of the image that creates volumes, from this manifest."""
    return _image(storage, "provisioner")


def helper_image(storage: str) -> str:
    """Returns the name of the image with a shell, from this manifest."""
    return _image(storage, "helper")


def pause_image(root: Path) -> str:
    """Returns the image that keeps a pod's namespaces, from kind's settings of containerd."""
    found = re.search(r'^ *sandbox_image = "(.*)"$', (root / "etc/containerd/config.toml").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError("config.toml of kind's Go module names no sandbox_image")
    return found[1]


def _image(storage: str, word: str) -> str:
    found = [name for name in re.findall(r"^ *image: (.*)$", storage, re.MULTILINE) if word in name]
    if len(found) != 1:
        raise ClusterError(f"the storage manifest of kind's Go module names {len(found)} images with {word!r}, not one")
    return str(found[0])


def _install(root: Path, files: Path, programs: Mapping[str, Path]) -> None:
    for file in (each for each in files.rglob("*") if each.is_file()):
        name = file.relative_to(files)
        executable = str(name.parent) in {"usr/local/bin", "kind/bin"}
        _write(root / name, file.read_bytes(), mode=0o755 if executable else 0o644)
    for program, place in PROGRAMS.items():
        _write(root / place / program, programs[program].read_bytes(), mode=0o755)
    # kind's units expect the programs here.
    for program in ("containerd", "ctr", "containerd-shim-runc-v2"):
        (root / "usr/local/bin" / program).symlink_to(f"/usr/bin/{program}")
    (root / "opt/cni").mkdir(parents=True, exist_ok=True)
    (root / "opt/cni/bin").symlink_to("/usr/lib/cni")


def _set_up_containerd(root: Path) -> None:
    settings = root / "etc/containerd/config.toml"
    text = settings.read_text()
    # A process that lacks CAP_SYS_RESOURCE cannot lower a container's oom_score_adj.
    text = text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    # Every registry refuses immediately.
    text += '\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
    _write(settings, text)
    _write(root / "etc/containerd/certs.d/_default/hosts.toml", f'server = "{_NOWHERE}"\n[host."{_NOWHERE}"]\n')
    spec = json.loads(_chroot(root, "ctr", "oci", "spec"))
    spec.setdefault("hooks", {}).setdefault("createContainer", []).append({"path": "/kind/bin/mount-product-files.sh"})
    spec["process"].pop("rlimits", None)
    _write(root / "etc/containerd/cri-base.json", json.dumps(spec))
    # While kube-proxy writes a Service's rules, a packet can pass without translation, and conntrack stores that. Then
    # the connection is never established. conntrack does not store a packet that is refused.
    rule = f"[Service]\nExecStartPost=/usr/sbin/iptables -w -A FORWARD -d {_SERVICES} -j REJECT\n"
    _write(root / "etc/systemd/system/containerd.service.d/20-services.conf", rule)


def _set_up_systemd(root: Path) -> None:
    """Enables only those of Debian's units that a container can start."""
    units, ours = root / "lib/systemd/system", root / "etc/systemd/system"
    unwanted = [
        each for target in ("multi-user", "local-fs", "basic") for each in units.glob(f"{target}.target.wants/*")
    ]
    unwanted += ours.glob("*.wants/*")
    unwanted += [*units.glob("sockets.target.wants/*udev*"), *units.glob("sockets.target.wants/*initctl*")]
    unwanted += units.glob("sysinit.target.wants/systemd-tmpfiles-setup.service")
    for link in unwanted:
        link.unlink()
    with (root / "etc/systemd/journald.conf").open("a") as file:
        file.write("ReadKMsg=no\n")
    init = root / "sbin/init"
    init.unlink(missing_ok=True)
    init.symlink_to("/lib/systemd/systemd")
    _chroot(root, "systemctl", "--quiet", "enable", "kubelet.service", "containerd.service", "undo-mount-hacks.service")
    _chroot(root, "systemctl", "--quiet", "mask", "systemd-binfmt.service")  # it changes settings of the whole kernel


def _chroot(root: Path, *command: str) -> str:
    done = subprocess.run(["/usr/sbin/chroot", str(root), *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"in the node's file system, {' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def _write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
