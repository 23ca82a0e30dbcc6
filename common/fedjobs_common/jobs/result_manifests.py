"""The list of a result's files: by it a result is known to be whole, wherever it was copied to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks
from fedjobs_common.ids import Digest
from fedjobs_common.models import Model

MANIFEST = "manifest.json"
"""Its name beside an exported result."""


class ResultFile(Model):
    path: str
    """Below the result's folder, with `/` between its parts."""
    size: int
    """Bytes."""
    digest: str
    """BLAKE3, hex."""


class ResultManifest(Model):
    job_uid: str
    files: tuple[ResultFile, ...]
    """By path."""

    @property
    def digest(self) -> Digest:
        """BLAKE3 of the lines `<digest>  <size>  <path>`, by path: the same for the same files of any job."""
        lines = (f"{file.digest}  {file.size}  {file.path}\n" for file in self.files)
        return digests.digest("".join(lines).encode())

    def to_json(self) -> bytes:
        """As it is written to files."""
        return self.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def manifest_of(job_uid: str, folder: Path) -> ResultManifest:
    """The manifest of a folder, whose files are durable when this returns.

    Args:
        job_uid: Whose result it is.
        folder: Need not be there: a result without files.
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
