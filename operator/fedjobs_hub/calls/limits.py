"""How often something may be done: token buckets, one for each caller, in bounded memory."""

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
    """So many calls of one caller.

    Args:
        per_second: In the long run.
        burst: At once.
        what: Of which there are too many; for the message.
        clock: Seconds; for tests.
    """

    def __init__(self, per_second: float, burst: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._what = what
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> None:
        """Counts one.

        Raises:
            FedjobsError: TOO_MANY_REQUESTS.
        """
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._burst, now)
        bucket.filled = min(self._burst, bucket.filled + (now - bucket.at) * self._per_second)
        bucket.at = now
        self._buckets[caller] = bucket
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)  # who was silent for longest has a full bucket anyway
        if bucket.filled < 1:
            message = f"There are too many {self._what} from this address or silo."
            raise FedjobsError(ErrorCode.TOO_MANY_REQUESTS, message, "Try again in a while.")
        bucket.filled -= 1


def host(peer: str) -> str:
    """The host of what gRPC calls a peer: `ipv4:10.0.0.1:5123`. Behind a front door it is the front door's."""
    return peer.rpartition(":")[0]
