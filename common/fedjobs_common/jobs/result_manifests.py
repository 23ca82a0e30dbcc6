"""The manifest of a result: the list of its files with their digests. It verifies that a copy is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model

MANIFEST = "manifest.json"
"""The file name of the manifest next to an exported result."""


class ResultFile(Model):
    path: str
    """The path relative to the result's folder, separated by `/`."""
    size: int
    """Size in bytes."""
    digest: str
    """BLAKE3 of the content, in hex."""


class ResultManifest(Model):
    job_uid: str
    files: tuple[ResultFile, ...]
    """The files, ordered by path."""

    @property
    def digest(self) -> Digest:
        """BLAKE3 of the lines `<digest>  <size>  <path>`, ordered by path. It does not depend on the job's UID."""
        lines = (f"{file.digest}  {file.size}  {file.path}\n" for file in self.files)
        return digests.digest("".join(lines).encode())

    def to_json(self) -> bytes:
        """Returns the content of the manifest file."""
        return self.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def manifest_of(job_uid: str, folder: Path) -> ResultManifest:
    """Returns the manifest of a folder. It also syncs the files to disk.

    Args:
        job_uid: The UID of the job.
        folder: The folder of the result. If it does not exist, the result has no files.
    """
    return ResultManifest(job_uid=job_uid, files=tuple(_listed(folder)))


def _listed(folder: Path) -> Iterator[ResultFile]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for path in sorted(paths):
        with (folder / path).open("rb") as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
            hasher = digests.hasher()
            for chunk in read_chunks(file.fileno(), 0, size):
                hasher.update(chunk)
        yield ResultFile(path=path, size=size, digest=hasher.hexdigest())
