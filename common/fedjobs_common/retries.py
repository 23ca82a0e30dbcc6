"""When to try again, decided in one place.

Only an error whose code says that trying again can help is tried again. Waits are exponential with full jitter (uniform
from zero), so that silos which were cut at the same moment do not come back at the same moment.
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
_DOUBLINGS = 16  # more would not fit a float some day
_TRANSFER_LONGEST_S = 2.0
_STEP_FIRST_S = 1.0
_STEP_LONGEST_S = 15.0
_ATTEMPTS_WITHOUT_PROGRESS = 6
_RESUMABLE = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.BLOB_CORRUPT, ErrorCode.BLOB_OFFSET})

Report = Callable[[FedjobsError, float], object]
"""Called before each wait, with what failed and the seconds until the next attempt."""


def is_retryable(error: BaseException) -> bool:
    """Whether trying the same again can help."""
    return isinstance(error, FedjobsError) and error.retryable


def forever(
    *,
    first_s: float = _FIRST_S,
    longest_s: float = _LONGEST_S,
    stopping: threading.Event | None = None,
    on_wait: Report | None = None,
) -> tenacity.Retrying:
    """Tries again until it works, something fails that trying again does not help, or `stopping` is set.

    Call it with a function, `forever()(function)`, or loop: `for attempt in forever(): with attempt: ...`. Each use
    starts with the shortest wait again.

    Args:
        first_s: The longest first wait, seconds.
        longest_s: The longest wait at all, seconds.
        stopping: Ends the wait at once; the last error is raised then.
        on_wait: For the log.
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
    """Seconds to wait before the next attempt, for a loop of its own, after so many failures in a row."""
    return random.uniform(0, min(_LONGEST_S, _FIRST_S * 2 ** min(failures, _DOUBLINGS)))  # noqa: S311


def resuming(position: Callable[[], int], *, on_wait: Report | None = None) -> tenacity.Retrying:
    """Goes on with a transfer that was cut, as long as it gets on.

    Only what a new attempt of the same call may cure is tried again; an ended session, for one, is not.

    Args:
        position: Bytes that have arrived. Attempts are counted since it was last higher than ever before.
        on_wait: For the log.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, FedjobsError) and error.code in _RESUMABLE),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_S, max=_TRANSFER_LONGEST_S),
        stop=_WithoutProgress(position),
        before_sleep=_reported(on_wait),
        reraise=True,
    )


def getting_on(position: Callable[[], int], *, on_wait: Report | None = None) -> tenacity.Retrying:
    """Goes on with something of several steps as long as it gets on, for half a minute or so when it does not.

    Args:
        position: Steps that are done. Attempts are counted since it was last higher than ever before.
        on_wait: For the log.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retryable),
        wait=tenacity.wait_random_exponential(multiplier=_STEP_FIRST_S, max=_STEP_LONGEST_S),
        stop=_WithoutProgress(position),
        before_sleep=_reported(on_wait),
        reraise=True,
    )


class _WithoutProgress:
    """Stops after several attempts in a row that did not get further."""

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
