"""Which attempt of the coordinator there should be: another after a crash, as often as the job's backoffLimit says."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_api.times import Time

from fedjobs_operator.planning.observations import Attempt, AttemptState

_FIRST_WAIT_S, _LONGEST_WAIT_S = 2, 60


@dataclass(frozen=True)
class Run:
    """This attempt is to run, or runs."""

    number: int


@dataclass(frozen=True)
class Wait:
    """Another attempt at that time."""

    until: Time
    last: Attempt


@dataclass(frozen=True)
class GaveUp:
    """No further attempt."""

    last: Attempt


@dataclass(frozen=True)
class Over:
    """The coordinator came to an end of its own: the job is complete, or failed for good."""

    last: Attempt


Decision = Run | Wait | GaveUp | Over


def decide(attempts: Sequence[Attempt], at_least: int, backoff_limit: int, now: Time) -> Decision:
    """What becomes of the coordinator.

    Only a crash makes a new attempt (a pod that its node gave up is replaced by the Job itself), so an attempt's number
    tells how many restarts there were.

    Args:
        attempts: Those that are known, by number.
        at_least: The number of the last attempt that was known; somebody may have deleted its Job.
        backoff_limit: So many restarts at most.
        now: The time.
    """
    if not attempts or attempts[-1].number < at_least:
        return Run(at_least)
    last = attempts[-1]
    if last.state is AttemptState.RUNNING:
        return Run(last.number)
    if last.state is not AttemptState.CRASHED:
        return Over(last)
    if last.number > backoff_limit:
        return GaveUp(last)
    due = (last.ended_at or now) + datetime.timedelta(seconds=_wait(last.number))
    return Run(last.number + 1) if now >= due else Wait(due, last)


def _wait(restarts: int) -> float:
    """None before the first restart, then twice as long each time."""
    return 0 if restarts <= 1 else float(min(_FIRST_WAIT_S * 2 ** (restarts - 2), _LONGEST_WAIT_S))
