"""The highest generation of a job's coordinator that this silo has seen: a coordinator of a lower one is stale.

Messages call it `epoch`.
"""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically


class SeenGenerations:
    """Remembers it over restarts.

    Args:
        state: Folder that outlives this process.

    Attributes:
        highest: 0: none has been seen.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "epoch"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.highest = int(self._path.read_text()) if self._path.exists() else 0

    def saw(self, generation: int) -> None:
        """Takes notice of a generation.

        Raises:
            FedjobsError: STALE_COORDINATOR for one that is lower than the highest.
        """
        if generation < self.highest:
            raise FedjobsError(
                ErrorCode.STALE_COORDINATOR,
                f"The coordinator is of epoch {generation}, and one of epoch {self.highest} has been seen.",
                "End the older coordinator.",
            )
        if generation > self.highest:
            write_atomically(self._path, str(generation).encode())
            self.highest = generation
