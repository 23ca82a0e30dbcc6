"""Downloads a result from a URL with the credentials of this machine."""

from __future__ import annotations

from pathlib import Path

import fsspec
from fedjobs_common.jobs.result_manifests import MANIFEST

from fedjobs.cluster.result_verification import listed


def download(url: str, folder: Path) -> None:
    """Downloads the files that the result's manifest lists, and no others.

    Args:
        url: The URL of the result.
        folder: The folder to create.

    Raises:
        Exception: Any error of the fsspec file system.
    """
    system, path = fsspec.core.url_to_fs(url)
    root = str(path).rstrip("/")
    content: bytes = system.cat_file(f"{root}/{MANIFEST}")
    folder.mkdir()
    (folder / MANIFEST).write_bytes(content)
    for file in listed(content, url).files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(f"{root}/{file.path}", str(target))
