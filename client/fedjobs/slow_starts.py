"""What a person is told while a run's coordinator takes long to start: the coordinator itself may be stuck."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.jobs.statuses import Phase, Status

TOLD_EVERY_S = 30.0


class SlowStart:
    """Has something to say every 30 s until the coordinator has started, for each start anew.

    Args:
        log: The coordinator's.
        now: Seconds of some clock; the coordinator is being started.
    """

    def __init__(self, log: Path, now: float) -> None:
        self._log = log
        self._epoch = 0
        self._since = self._told = now

    def message(self, status: Status | None, now: float) -> str:
        """What is to be told now; empty: nothing.

        Args:
            status: The coordinator's last one; None: it has written none yet.
            now: By the same clock.
        """
        if status is not None and status.epoch != self._epoch:
            self._epoch = status.epoch
            self._since = self._told = now
        if (status is not None and status.phase is not Phase.STARTING) or now - self._told < TOLD_EVERY_S:
            return ""
        self._told = now
        what = "is not up yet" if status is None else "is still importing TensorFlow Federated and the program"
        return f"The coordinator {what}, after {now - self._since:.0f} s. Its log is {self._log}."
