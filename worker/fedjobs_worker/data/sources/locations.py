"""Finding and opening files: local ones, and those of any URL that fsspec knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import fsspec
from fedjobs_common.errors import ErrorCode, FedjobsError


@dataclass(frozen=True)
class Location:
    """One file of a source."""

    path: str
    filesystem: Any  # fsspec.AbstractFileSystem; fsspec has no types

    def open(self) -> IO[bytes]:
        """The file's bytes.

        Raises:
            FedjobsError: DATA_NOT_FOUND if it cannot be read.
        """
        try:
            opened: IO[bytes] = self.filesystem.open(self.path, "rb")
        except (OSError, ValueError) as error:
            raise FedjobsError(
                ErrorCode.DATA_NOT_FOUND,
                f"{self.path} cannot be read: {error}.",
                "Let the silo's user read it, or correct the path in the silo's file.",
            ) from error
        return opened

    def __str__(self) -> str:
        return self.path


def matching(pattern: str) -> list[Location]:
    """All files that match a path or pattern, sorted by name so that the order is the same at every start.

    Raises:
        FedjobsError: DATA_NOT_FOUND if there is none.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(pattern)
        found = sorted(str(name) for name in filesystem.glob(path)) if _is_pattern(path) else [path]
        existing = [name for name in found if filesystem.isfile(name)]
    except (OSError, ValueError, ImportError) as error:
        raise FedjobsError(
            ErrorCode.DATA_NOT_FOUND, f"{pattern} cannot be reached: {error}.", "Correct the path in the silo's file."
        ) from error
    if not existing:
        raise FedjobsError(
            ErrorCode.DATA_NOT_FOUND, f"There is no file {pattern}.", "Correct the path in the silo's file."
        )
    return [Location(name, filesystem) for name in existing]


def _is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[")
