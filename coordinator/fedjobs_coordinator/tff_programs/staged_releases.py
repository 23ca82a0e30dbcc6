"""Releases that wait on disk until the program's state of the same version is durable."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fedjobs_common.files import write_atomically

from fedjobs_coordinator.state.state_codec import pack, unpack

Key: TypeAlias = int | str


@dataclass(frozen=True)
class Release:
    """A value that a program releases.

    Attributes:
        manager: The name of the release manager.
        key: The program's key for the value.
        value: The value: numbers, strings and arrays in nested containers.
    """

    manager: str
    key: Key
    value: Any


class StagedReleases:
    """A folder with one file for each release that is not published yet, in order.

    Args:
        directory: A folder for these files only. It is created if necessary.
        version: The latest version of the state. Releases of later versions are deleted, because the program will make
            them again.
    """

    def __init__(self, directory: Path, version: int) -> None:
        directory.mkdir(exist_ok=True, mode=0o700)
        self._directory = directory
        for path in directory.iterdir():
            if path.suffix != ".release" or _version(path) > version:
                path.unlink()
        # Threads stage releases. This iterator gives each of them another number.
        self._numbers = itertools.count(max((_number(path) for path in self._paths()), default=-1) + 1)

    def stage(self, version: int, release: Release) -> None:
        """Writes a release durably.

        Args:
            version: The version of the state that must be durable before the release is published.
            release: The release.

        Raises:
            FedjobsError: DISK_FULL.
            TypeError: A part of the value is not a number, a string, or an array of these.
        """
        name = json.dumps([release.manager, release.key])
        content = pack({"name": name, "value": release.value})
        path = self._directory / f"{next(self._numbers):012d}-{version:012d}.release"
        write_atomically(path, content, durable=True)

    def due(self, version: int, manager: str | None = None) -> Iterator[tuple[Path, Release]]:
        """Yields the releases up to a version, in order. The caller unlinks the path after it published the release.

        Args:
            version: The version of the durable state.
            manager: The name of a manager, to get its releases only.
        """
        for path in self._paths():
            if _version(path) > version:
                continue
            found = unpack(path.read_bytes())
            name, key = json.loads(found["name"])
            if manager in (None, name):
                yield path, Release(name, key, found["value"])

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("*.release"))


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[0])


def _version(path: Path) -> int:
    return int(path.stem.partition("-")[2])
