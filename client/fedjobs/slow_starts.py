"""Messages for the user while a run's coordinator starts slowly. A stuck coordinator cannot report this itself."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.jobs.statuses import Phase, Status

TOLD_EVERY_S = 30.0


class SlowStart:
    """Returns a message every 30 s until the coordinator has started. Each start counts from zero.

    Args:
        log: The path of the coordinator's log.
        now: The time when the coordinator is started, in seconds of any clock.
    """

    def __init__(self, log: Path, now: float) -> None:
        self._log = log
        self._generation = 0
        self._since = self._told = now

    def message(self, status: Status | None, now: float) -> str:
        """Returns the message to show now, or an empty string.

        Args:
            status: The coordinator's last status, or None if it has written none yet.
            now: The time of the same clock.
        """
        if status is not None and status.generation != self._generation:
            self._generation = status.generation
            self._since = self._told = now
        if (status is not None and status.phase is not Phase.STARTING) or now - self._told < TOLD_EVERY_S:
            return ""
        self._told = now
        what = "has not started yet" if status is None else "is still importing TensorFlow Federated and the program"
        return f"The coordinator {what} after {now - self._since:.0f} s. Its log is {self._log}."
