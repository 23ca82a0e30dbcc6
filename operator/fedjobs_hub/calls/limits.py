"""Rate limits: token buckets for each caller, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError

_MOST_CALLERS = 10_000


@dataclass
class _Bucket:
    filled: float
    at: float


class RateLimit:
    """Limits the calls of each caller.

    Args:
        per_second: The sustained rate.
        burst: The maximum burst.
        what: What is limited, for the message.
        clock: Returns seconds, for tests.
    """

    def __init__(self, per_second: float, burst: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._what = what
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> None:
        """Counts a call.

        Raises:
            FedjobsError: TOO_MANY_REQUESTS.
        """
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._burst, now)
        bucket.filled = min(self._burst, bucket.filled + (now - bucket.at) * self._per_second)
        bucket.at = now
        self._buckets[caller] = bucket
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)  # the bucket of the least recent caller is full anyway
        if bucket.filled < 1:
            message = f"There are too many {self._what} from this address or silo."
            raise FedjobsError(ErrorCode.TOO_MANY_REQUESTS, message, "Try again later.")
        bucket.filled -= 1


def host(peer: str) -> str:
    """Returns the host of a gRPC peer such as `ipv4:10.0.0.1:5123`. Behind a front door, it is the front door."""
    return peer.rpartition(":")[0]
