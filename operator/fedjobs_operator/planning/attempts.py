"""Decides which attempt of the coordinator runs. After a crash there is a new attempt, up to the job's backoffLimit."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_api.times import Time

from fedjobs_operator.planning.observations import Attempt, AttemptState

_FIRST_WAIT_S, _LONGEST_WAIT_S = 2, 60


@dataclass(frozen=True)
class Run:
    """Run this attempt, or keep it running."""

    number: int


@dataclass(frozen=True)
class Wait:
    """Start the next attempt at a later time."""

    until: Time
    last: Attempt


@dataclass(frozen=True)
class GaveUp:
    """Start no further attempt: the backoff limit is reached."""

    last: Attempt


@dataclass(frozen=True)
class Over:
    """The coordinator has finished: the job is complete, or has failed permanently."""

    last: Attempt


Decision = Run | Wait | GaveUp | Over


def decide(attempts: Sequence[Attempt], at_least: int, backoff_limit: int, now: Time) -> Decision:
    """Decides what happens to the coordinator.

    Only a crash leads to a new attempt. The Job itself replaces a pod whose node was lost. So the number of an attempt
    is the number of restarts plus one.

    Args:
        attempts: The known attempts, ordered by number.
        at_least: The number of the last attempt in the status. Somebody may have deleted its Job.
        backoff_limit: The maximum number of restarts.
        now: The current time.
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
    """Returns the seconds before a restart: 0 before the first one, then doubling each time."""
    return 0 if restarts <= 1 else float(min(_FIRST_WAIT_S * 2 ** (restarts - 2), _LONGEST_WAIT_S))
