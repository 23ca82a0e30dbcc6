"""Limits how often the coordinator reports events that a silo can cause at will."""

from __future__ import annotations


class Allowance:
    """Allows a number of events at once, and then one in each interval.

    Args:
        most: How many are allowed at once.
        every_s: The seconds after which one more is allowed.
    """

    def __init__(self, most: int, every_s: float) -> None:
        self._most = most
        self._every_s = every_s
        self._left = float(most)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Returns whether one more is allowed at a time, in seconds of any clock that does not go back."""
        self._left = min(self._most, self._left + max(0.0, now - self._at) / self._every_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
