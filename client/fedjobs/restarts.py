"""Whether a process that ended is started again, and when: decided here, of plain values."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.jobs.statuses import Phase, SiloState, Status

_OVER = (Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED)
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
SETTLED_S = 30.0
"""A process that ran for so long is taken to work: the next wait is short again."""


@dataclass(frozen=True)
class RestartPolicy:
    """What follows from the end of a process.

    Attributes:
        final: Exit codes after which it is not started again.
        limit: How often it is started again at most; None: always.
    """

    final: frozenset[int]
    limit: int | None = None


@dataclass(frozen=True)
class Crashes:
    """How often a process crashed.

    Attributes:
        total: Since its first start.
        in_a_row: Since it last ran for long.
    """

    total: int = 0
    in_a_row: int = 0

    def after(self, ran_s: float) -> Crashes:
        """With one more, after having run for so many seconds."""
        return Crashes(self.total + 1, 1 if ran_s >= SETTLED_S else self.in_a_row + 1)


def wait_before_restart(policy: RestartPolicy, exit_code: int, crashes: Crashes) -> float | None:
    """Seconds to wait before the process is started again; None: it is not.

    Args:
        policy: Its own.
        exit_code: Negative for a signal, as `subprocess` has it.
        crashes: With this one.
    """
    if exit_code in policy.final or (policy.limit is not None and crashes.total > policy.limit):
        return None
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(crashes.in_a_row - 1, 20))


def over_for(silo: str, status: Status | None, earlier_epoch: int) -> bool:
    """Whether the job is over for a silo, so that its worker is not wanted any more.

    Args:
        silo: Its name.
        status: What the coordinator last said.
        earlier_epoch: Of the last coordinator before this start of the run; 0: there was none. What that one said, such
            as that it was suspended, stays in the folder until the new one speaks, and does not count.
    """
    if status is None or status.epoch <= earlier_epoch:
        return False
    declined = any(row.name == silo and row.state is SiloState.DECLINED for row in status.silos)
    return declined or status.phase in _OVER
