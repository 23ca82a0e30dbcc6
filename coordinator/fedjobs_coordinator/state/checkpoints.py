"""States of a program, durable on disk, so that a coordinator that starts again goes on from the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedjobs_common import digests
from fedjobs_common.files import write_atomically

from fedjobs_coordinator.state.state_codec import pack, unpack

_KEPT = 2  # the latest, and one before it


class Checkpoints:
    """A folder of states, one file for each version, named by version and digest.

    Args:
        directory: A folder of its own.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True, mode=0o700)
        self._directory = directory
        for torn in directory.glob(".*.tmp"):  # a process died while it wrote it; states are as large as models
            torn.unlink()

    def save(self, version: int, state: Any) -> None:
        """Writes a state; it is durable when this returns, and takes the place of one of the same version.

        Raises:
            FedjobsError: DISK_FULL; the states before are still there.
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
        """The latest version and its state; a file whose content is not what was written is passed over."""
        for path in reversed(self._paths()):
            version, _, digest = path.stem.partition("-")
            content = path.read_bytes()
            if digests.digest(content) == digest:
                return int(version), unpack(content)
        return None

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("*.state"))
