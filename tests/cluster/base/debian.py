"""A replacement for python:3.11-slim-bookworm, made of Debian's packages."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

RELEASE = "bookworm"
PACKAGES = ("ca-certificates", "netbase", "python3", "python3-venv", "tzdata")

_DOCKERFILE = Path(__file__).with_name("Dockerfile")


def tag() -> str:
    """Returns the image's name, which contains a hash of what it is made from."""
    digest = hashlib.blake2b("\0".join([RELEASE, *PACKAGES, _DOCKERFILE.read_text()]).encode(), digest_size=6)
    return f"localhost/fedjobs-base:{RELEASE}-{digest.hexdigest()}"


def make(run: Callable[..., None]) -> None:
    """Makes the image in buildah's storage. This takes half a minute.

    Args:
        run: Runs a program with these arguments, and raises an error with its output if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="fedjobs-base-") as folder:
        shutil.copy(_DOCKERFILE, folder)
        archive = str(Path(folder) / "base.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, archive)
        run("buildah", "bud", "--quiet", "--isolation", "chroot", "--layers", "--tag", tag(), folder)
