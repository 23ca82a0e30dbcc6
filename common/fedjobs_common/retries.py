"""The retry policies.

Only errors with a retryable code are retried. Waits are exponential with full jitter (uniform from zero), so that silos
that lost their connections at the same time do not reconnect at the same time.
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import tenacity

from fedjobs_common.errors import ErrorCode, FedjobsError

_FIRST_S = 0.1
_LONGEST_S = 30.0
_DOUBLINGS = 16  # limits the exponent, which would overflow a float
_TRANSFER_LONGEST_S = 2.0
_STEP_FIRST_S = 1.0
_STEP_LONGEST_S = 15.0
_ATTEMPTS_WITHOUT_PROGRESS = 6
_RESUMABLE = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.BLOB_CORRUPT, ErrorCode.BLOB_OFFSET_MISMATCH})

Report = Callable[[FedjobsError, float], object]
"""Called before each wait with the error and the seconds until the next attempt."""


def is_retryable(error: BaseException) -> bool:
    """Returns whether a retry can help."""
    return isinstance(error, FedjobsError) and error.retryable


def forever(
    *,
    first_s: float = _FIRST_S,
    longest_s: float = _LONGEST_S,
    stopping: threading.Event | None = None,
    on_wait: Report | None = None,
) -> tenacity.Retrying:
    """Returns a policy that retries until success, an error that is not retryable, or `stopping` is set.

    Call it with a function, `forever()(function)`, or loop: `for attempt in forever(): with attempt: ...`. Each use
    starts with the shortest wait.

    Args:
        first_s: The upper limit of the first wait, in seconds.
        longest_s: The upper limit of all waits, in seconds.
        stopping: Ends a wait immediately. The last error is raised then.
        on_wait: Called before each wait, for logging.
    """
    never_set = threading.Event()
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retryable),
        wait=tenacity.wait_random_exponential(multiplier=first_s, max=longest_s),
        stop=tenacity.stop_when_event_set(stopping or never_set),
        sleep=tenacity.sleep_using_event(stopping or never_set),
        before_sleep=_reported(on_wait),
        reraise=True,
    )


def pause_s(failures: int) -> float:
    """Returns the seconds to wait after a number of consecutive failures. For loops that do not use a policy."""
    return random.uniform(0, min(_LONGEST_S, _FIRST_S * 2 ** min(failures, _DOUBLINGS)))  # noqa: S311


def resuming(position: Callable[[], int], *, on_wait: Report | None = None) -> tenacity.Retrying:
    """Returns a policy that resumes an interrupted transfer while it makes progress.

    It retries only errors that a new call can fix. An ended session, for example, is not retried.

    Args:
        position: Returns the number of bytes that have arrived. A new maximum resets the count of attempts.
        on_wait: Called before each wait, for logging.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, FedjobsError) and error.code in _RESUMABLE),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_S, max=_TRANSFER_LONGEST_S),
        stop=_WithoutProgress(position),
        before_sleep=_reported(on_wait),
        reraise=True,
    )


def while_progressing(position: Callable[[], int], *, on_wait: Report | None = None) -> tenacity.Retrying:
    """Returns a policy that retries an operation of several steps while it makes progress.

    Without progress, it stops after about half a minute.

    Args:
        position: Returns the number of completed steps. A new maximum resets the count of attempts.
        on_wait: Called before each wait, for logging.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retryable),
        wait=tenacity.wait_random_exponential(multiplier=_STEP_FIRST_S, max=_STEP_LONGEST_S),
        stop=_WithoutProgress(position),
        before_sleep=_reported(on_wait),
        reraise=True,
    )


class _WithoutProgress:
    """Stops after several consecutive attempts without progress."""

    def __init__(self, position: Callable[[], int]) -> None:
        self._position = position
        self._furthest = 0
        self._attempts = 0

    def __call__(self, _state: tenacity.RetryCallState) -> bool:
        position = self._position()
        self._attempts = 0 if position > self._furthest else self._attempts + 1
        self._furthest = max(self._furthest, position)
        return self._attempts >= _ATTEMPTS_WITHOUT_PROGRESS


def _reported(report: Report | None) -> Callable[[tenacity.RetryCallState], Any] | None:
    if report is None:
        return None

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, FedjobsError):
            report(error, state.next_action.sleep if state.next_action else 0.0)

    return before_sleep
