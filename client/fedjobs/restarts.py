"""Decides whether and when a process that ended is restarted. The functions are pure."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.jobs.statuses import Phase, SiloState, Status

_OVER = (Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED)
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
SETTLED_S = 30.0
"""A process that ran at least this long counts as healthy. The next wait starts from the shortest one again."""


@dataclass(frozen=True)
class RestartPolicy:
    """Says when a process is restarted.

    Attributes:
        final: The exit codes after which the process is not restarted.
        limit: The maximum number of restarts, or None for no limit.
    """

    final: frozenset[int]
    limit: int | None = None


@dataclass(frozen=True)
class Crashes:
    """Counts the crashes of a process.

    Attributes:
        total: The number of crashes since the first start.
        in_a_row: The number of crashes since the process last ran for at least `SETTLED_S`.
    """

    total: int = 0
    in_a_row: int = 0

    def after(self, ran_s: float) -> Crashes:
        """Returns the counts after one more crash of a process that ran for `ran_s` seconds."""
        return Crashes(self.total + 1, 1 if ran_s >= SETTLED_S else self.in_a_row + 1)


def wait_before_restart(policy: RestartPolicy, exit_code: int, crashes: Crashes) -> float | None:
    """Returns the seconds to wait before a restart, or None if the process is not restarted.

    Args:
        policy: The process's restart policy.
        exit_code: The exit code, negative for a signal as in `subprocess`.
        crashes: The crashes so far, with this one.
    """
    if exit_code in policy.final or (policy.limit is not None and crashes.total > policy.limit):
        return None
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(crashes.in_a_row - 1, 20))


def over_for(silo: str, status: Status | None, earlier_generation: int) -> bool:
    """Returns whether the job is over for a silo, so that its worker is no longer needed.

    Args:
        silo: The silo's name.
        status: The coordinator's last status.
        earlier_generation: The generation of the last coordinator before this start of the run, or 0 if there was none.
            The status of that coordinator stays in the folder until the new one writes its own, and is ignored.
    """
    if status is None or status.generation <= earlier_generation:
        return False
    declined = any(row.name == silo and row.state is SiloState.DECLINED for row in status.silos)
    return declined or status.phase in _OVER
