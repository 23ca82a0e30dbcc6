"""The project's images as archives that a cluster's nodes can load: python -m tests.cluster.images [TARGET ...]

Docker builds them if its daemon runs, and buildah otherwise. If the Dockerfile's base cannot be pulled, the base is
made of Debian's packages. An archive is stored in $XDG_CACHE_HOME/fedjobs/images under the hash of its inputs.
Unchanged images are not built again, and a change of the project's code rebuilds only the last small layer.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.base import debian
from tests.cluster.errors import ClusterError
from tests.cluster.files import locked

ROOT = Path(__file__).parents[2]
KEPT = 2  # the number of stored archives of a target; older ones are deleted
_CA_IN_BUILD = "/run/secrets/ca-bundle"


class Target(StrEnum):
    """A target of the Dockerfile that is an image."""

    OPERATOR = "operator"
    COORDINATOR = "coordinator"
    WORKER = "worker"
    WORKER_GPU = "worker-gpu"

    @property
    def tag(self) -> str:
        """The image's name on a test cluster. It is never pulled."""
        return f"localhost/fedjobs-{self}:dev"


DEFAULT = (Target.OPERATOR, Target.COORDINATOR, Target.WORKER)  # worker-gpu, with CUDA, is an image of 5 GB


def build(targets: Iterable[Target] = DEFAULT, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Returns the archives of these targets, in their order. Builds those that are not stored already.

    Several processes can call it at the same time: one builds, and the others wait for it.

    Raises:
        ClusterError: This machine cannot build images, or a build failed. The message has the end of its output.
    """
    docker = has_docker()
    with locked(cache_folder() / ".lock"):
        return [_build_target(target, docker=docker, say=say) for target in targets]


def cache_folder() -> Path:
    """Returns the folder of the archives, next to the programs of clusters."""
    return binaries.cache_folder().with_name("images")


def inputs(root: Path = ROOT) -> list[Path]:
    """Returns the input files of images: the Dockerfile, and the files that .dockerignore does not exclude."""
    rules = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    found = [root / "Dockerfile", root / ".dockerignore"]
    for rule in rules:
        if rule.startswith("!"):
            place = root / rule[1:]
            found += sorted(place.rglob("*")) if place.is_dir() else [place]
    return [path for path in found if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts]


def digest(root: Path = ROOT, *, of: str = "") -> str:
    """Returns a hash of the inputs."""
    seen = hashlib.blake2b(of.encode(), digest_size=8)
    for path in inputs(root):
        seen.update(f"\0{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        seen.update(path.read_bytes())
    return seen.hexdigest()


def _build_target(target: Target, *, docker: bool, say: Callable[[str], None]) -> Path:
    version = digest(of="docker" if docker else debian.tag())
    archive = cache_folder() / f"fedjobs-{target}-{version}.tar"
    if archive.exists():
        archive.touch()
        return archive
    say(f"building the image {target} ({'docker' if docker else 'buildah'}; stored in {archive.parent})")
    scratch = archive.with_suffix(f".{os.getpid()}")
    try:
        (_with_docker if docker else _with_buildah)(target, version, scratch)
        scratch.replace(archive)
    finally:
        scratch.unlink(missing_ok=True)
    for old in sorted(archive.parent.glob(f"fedjobs-{target}-{'?' * 16}.tar"), key=_age)[KEPT:]:
        old.unlink(missing_ok=True)
    return archive


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _with_docker(target: Target, version: str, archive: Path) -> None:
    run("docker", "build", *_arguments(target, version), "--tag", target.tag, str(ROOT))
    run("docker", "save", "--output", str(archive), target.tag)


def _with_buildah(target: Target, version: str, archive: Path) -> None:
    arguments = ["--isolation", "chroot", "--layers", "--build-arg", f"BASE={_base()}", *_arguments(target, version)]
    run("buildah", "bud", *arguments, "--tag", target.tag, str(ROOT))
    compression = [
        "--compression-format",
        "zstd",
        "--compression-level",
        "1",
    ]  # takes half of gzip's time, and gives smaller archives
    run("buildah", "push", *compression, target.tag, f"oci-archive:{archive}:{target.tag}")


def _arguments(target: Target, version: str) -> list[str]:
    arguments = ["--target", target.value, "--build-arg", "VERSION=dev", "--build-arg", f"REVISION={version}"]
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if bundle and Path(bundle).is_file():  # this machine trusts additional certificate authorities
        arguments += ["--secret", f"id=ca-bundle,src={bundle}"]
        for name in ("SSL_CERT_FILE", "PIP_CERT"):
            arguments += ["--build-arg", f"{name}={_CA_IN_BUILD}"]
    return arguments


@functools.cache
def _base() -> str:
    """Returns the base image for buildah: the Dockerfile's own if it can be pulled, or one of Debian's packages."""
    for known in (debian.tag(), own := _own_base()):
        if _succeeds("buildah", "inspect", "--type", "image", known):
            return known
    if _succeeds("buildah", "pull", "--quiet", own):
        return own
    debian.make(run)
    return debian.tag()


def _own_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError("the Dockerfile has no `ARG BASE=`")
    return found[1]


def has_docker() -> bool:
    """Returns whether a Docker daemon responds."""
    return shutil.which("docker") is not None and _succeeds("docker", "info")


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def run(*command: str) -> None:
    """Runs a program.

    Raises:
        ClusterError: The program is missing or failed. The message has the end of its output.
    """
    if shutil.which(command[0]) is None:
        raise ClusterError(f"{command[0]} is missing. Without Docker, install: apt-get install buildah mmdebstrap")
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:2])} failed:\n{done.stdout[-3000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the named targets, or all but worker-gpu, and prints the archives."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.images", description=build.__doc__)
    parser.add_argument("targets", nargs="*", type=Target, metavar="TARGET", help=", ".join(Target))
    chosen = parser.parse_args(arguments).targets or list(DEFAULT)
    for target in chosen:
        start = time.monotonic()
        try:
            [archive] = build([target], say=lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201
        except ClusterError as problem:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
            return 1
        size = archive.stat().st_size / 1e6
        print(f"{target.tag}\t{archive}\t{size:.0f} MB\t{time.monotonic() - start:.0f} s", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
