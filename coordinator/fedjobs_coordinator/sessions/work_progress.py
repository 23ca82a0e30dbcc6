"""Decides what counts as progress of a silo's work, so that a slow silo is not taken for one that is stuck."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_ACTIVITIES = 16
"""Changes of the activity that count for one work item. A run has about five: fetching, loading, fetching, running and
sending. The others are for runs that start again."""
_MOST_TRANSFERS = 4
"""How often the bytes of a work item count, because a silo that restarts fetches them again."""


@dataclass
class WorkProgress:
    """The progress of one work item. It is bounded, so that a silo cannot delay a round without end.

    A heartbeat counts when it reports another activity than the one before. A heartbeat that repeats the activity only
    shows that the silo is alive.

    Attributes:
        bytes_down: The size of the work's values.
        bytes_up: The maximum size of its accumulators.
    """

    bytes_down: int
    bytes_up: int
    _activity: str = ""
    _activities: int = 0
    _down: int = 0
    _up: int = 0

    def told(self, activity: str) -> bool:
        """Records the activity of a heartbeat. Returns whether it is progress."""
        if not activity or activity == self._activity:
            return False
        self._activity = activity
        self._activities += 1
        return self._activities <= _MOST_ACTIVITIES

    def transferred(self, down: int, up: int) -> bool:
        """Records bytes to and from the silo. Returns whether they are progress."""
        self._down += down
        self._up += up
        counts_down = down > 0 and self._down <= _MOST_TRANSFERS * self.bytes_down
        return counts_down or (up > 0 and self._up <= _MOST_TRANSFERS * self.bytes_up)
