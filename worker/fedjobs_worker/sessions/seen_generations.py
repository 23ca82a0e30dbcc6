"""Stores the highest generation of a job's coordinator that this silo has seen. A lower generation is stale."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically


class SeenGenerations:
    """Stores the highest generation across restarts.

    Args:
        state: A folder that outlives this process.

    Attributes:
        highest: The highest generation so far, or 0.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "generation"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.highest = int(self._path.read_text()) if self._path.exists() else 0

    def saw(self, generation: int) -> None:
        """Checks a generation, and stores it if it is the highest.

        Raises:
            FedjobsError: STALE_COORDINATOR if the generation is lower than the highest.
        """
        if generation < self.highest:
            raise FedjobsError(
                ErrorCode.STALE_COORDINATOR,
                f"The coordinator has generation {generation}, but this silo has seen generation {self.highest}.",
                "Stop the older coordinator.",
            )
        if generation > self.highest:
            write_atomically(self._path, str(generation).encode())
            self.highest = generation
