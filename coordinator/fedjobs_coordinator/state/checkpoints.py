"""Saves the states of a program durably, so that a restarted coordinator continues from the last state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedjobs_common import digests
from fedjobs_common.files import write_atomically

from fedjobs_coordinator.state.state_codec import pack, unpack

_KEPT = 2  # the latest state and the one before


class Checkpoints:
    """A folder of states, with one file for each version. The file name has the version and the digest.

    Args:
        directory: A folder for states only.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True, mode=0o700)
        self._directory = directory
        for torn in directory.glob(".*.tmp"):  # left by a process that died while writing
            torn.unlink()

    def save(self, version: int, state: Any) -> None:
        """Writes a state durably. It replaces a state of the same version.

        Raises:
            FedjobsError: DISK_FULL. The earlier states are kept.
        """
        content = pack(state)
        path = self._directory / f"{version:08d}-{digests.digest(content)}.state"
        write_atomically(path, content, durable=True)
        for replaced in self._directory.glob(f"{version:08d}-*.state"):
            if replaced != path:
                replaced.unlink()
        for old in self._paths()[:-_KEPT]:
            old.unlink()

    def load(self) -> tuple[int, Any] | None:
        """Returns the latest version and its state. It ignores corrupt files."""
        for version in reversed(self.versions()):
            state = self.load_version(version)
            if state is not None:
                return version, state
        return None

    def versions(self) -> list[int]:
        """Returns the versions that have a file, in ascending order."""
        return [_version(path) for path in self._paths()]

    def load_version(self, version: int) -> Any:
        """Returns the state of a version. None if it has no file, or a corrupt one."""
        for path in self._directory.glob(f"{version:08d}-*.state"):
            content = path.read_bytes()
            if digests.digest(content) == path.stem.partition("-")[2]:
                return unpack(content)
        return None

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("*.state"))


def _version(path: Path) -> int:
    return int(path.stem.partition("-")[0])
