"""Finds and opens local files and files at URLs that fsspec supports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

import fsspec
from fedjobs_common.errors import ErrorCode, FedjobsError

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}


@dataclass(frozen=True)
class Location:
    """One file of a source."""

    path: str
    filesystem: Any  # fsspec.AbstractFileSystem; fsspec has no types

    def open(self, *, decompressed: bool = False) -> IO[bytes]:
        """Opens the file for reading bytes.

        Args:
            decompressed: Whether a file whose name ends with .gz, .bz2 or .xz is decompressed.

        Raises:
            FedjobsError: DATA_NOT_FOUND if it cannot be read.
        """
        try:
            compression = _COMPRESSIONS.get(PurePath(self.path).suffix.lower()) if decompressed else None
            opened: IO[bytes] = self.filesystem.open(self.path, "rb", compression=compression)
        except (OSError, ValueError) as error:
            raise FedjobsError(
                ErrorCode.DATA_NOT_FOUND,
                f"{self.path} cannot be read: {error}.",
                "Give the silo's user read permission, or correct the path in the silo file.",
            ) from error
        return opened

    def __str__(self) -> str:
        return self.path


def matching(pattern: str) -> list[Location]:
    """Returns all files that match a path or pattern, sorted by name so that the order is deterministic.

    Raises:
        FedjobsError: DATA_NOT_FOUND if no file matches.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(pattern)
        is_pattern = _is_pattern(path) and not filesystem.isfile(path)
        found = sorted(str(name) for name in filesystem.glob(path)) if is_pattern else [path]
        existing = [name for name in found if filesystem.isfile(name)]
    except (OSError, ValueError, ImportError) as error:
        raise FedjobsError(
            ErrorCode.DATA_NOT_FOUND, f"{pattern} cannot be accessed: {error}.", "Correct the path in the silo file."
        ) from error
    if not existing:
        raise FedjobsError(
            ErrorCode.DATA_NOT_FOUND, f"There is no file {pattern}.", "Correct the path in the silo file."
        )
    return [Location(name, filesystem) for name in existing]


def _is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[")
