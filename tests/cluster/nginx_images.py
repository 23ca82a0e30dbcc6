"""Standard nginx with its stream module, as an archive that a cluster's nodes can load. It runs the front door.

It is made of Debian's packages if Docker cannot pull the standard image. The archive is next to the project's images.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster import images, scratch_images
from tests.cluster.base.debian import RELEASE
from tests.cluster.files import locked, write

TAG = "localhost/fedjobs-nginx:dev"
PULLED = "nginx:stable"
PACKAGES = ("libnginx-mod-stream", "nginx")
_UNUSED = "path-exclude=/usr/share/{doc,info,locale,man}/*"
_SETTINGS = {
    "Cmd": ["nginx", "-g", "daemon off;"],
    "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    "User": "65532:65532",
}


def build(say: Callable[[str], None] = lambda _: None) -> Path:
    """Returns the archive. Makes it if it is not stored already, which takes half a minute.

    Raises:
        ClusterError: Neither Docker nor mmdebstrap can make it. The message has the end of the output.
    """
    docker = images.has_docker()
    made_of = [PULLED] if docker else [RELEASE, *PACKAGES, _UNUSED, str(_SETTINGS)]
    version = hashlib.blake2b("\0".join(made_of).encode(), digest_size=8).hexdigest()
    archive = images.cache_folder() / f"nginx-{version}.tar"
    with locked(images.cache_folder() / ".nginx.lock"):
        if not archive.exists():
            say(f"making the image of nginx ({'docker' if docker else 'mmdebstrap'}; stored in {archive.parent})")
            (_with_docker if docker else _with_debian)(archive)
    return archive


def _with_docker(archive: Path) -> None:
    images.run("docker", "pull", PULLED)
    images.run("docker", "tag", PULLED, TAG)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="nginx-") as folder:
        saved = Path(folder) / "saved.tar"
        images.run("docker", "save", "--output", str(saved), TAG)
        saved.replace(archive)


def _with_debian(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="nginx-") as folder:
        root, packed = Path(folder) / "root.tar", Path(folder) / "packed.tar"
        options = ("--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}", f"--dpkgopt={_UNUSED}")
        images.run("mmdebstrap", *options, RELEASE, str(root))
        machine = scratch_images.architecture(Path(sys.executable).resolve())
        write(archive, scratch_images.pack(TAG, root.read_bytes(), _SETTINGS, machine, packed).read_bytes())
