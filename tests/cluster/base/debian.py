"""A stand-in for python:3.11-slim-bookworm, made of Debian's packages."""

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
    """The image's name, which says what it is made from."""
    digest = hashlib.blake2b("\0".join([RELEASE, *PACKAGES, _DOCKERFILE.read_text()]).encode(), digest_size=6)
    return f"localhost/fedjobs-base:{RELEASE}-{digest.hexdigest()}"


def make(run: Callable[..., None]) -> None:
    """Make the image in buildah's storage; half a minute.

    Args:
        run: runs a program with these arguments, and raises with what it said where it fails.
    """
    with tempfile.TemporaryDirectory(prefix="fedjobs-base-") as folder:
        shutil.copy(_DOCKERFILE, folder)
        archive = str(Path(folder) / "base.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, archive)
        run("buildah", "bud", "--quiet", "--isolation", "chroot", "--layers", "--tag", tag(), folder)
