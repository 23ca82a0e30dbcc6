from __future__ import annotations

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_hub.calls.limits import RateLimit, host


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(limit: RateLimit, caller: str) -> bool:
    try:
        limit.take(caller)
    except FedjobsError as error:
        return error.code is ErrorCode.TOO_MANY_REQUESTS
    return False


def test_a_burst_is_allowed_and_then_a_rate_per_second() -> None:
    clock = Clock()
    limit = RateLimit(2, 5, "calls", clock)
    assert [refused(limit, "a") for _ in range(7)] == [False] * 5 + [True] * 2
    clock.now = 1.0
    assert [refused(limit, "a") for _ in range(3)] == [False, False, True]


def test_one_caller_does_not_use_up_the_limit_of_another() -> None:
    limit = RateLimit(1, 1, "calls", Clock())
    limit.take("a")
    assert (refused(limit, "a"), refused(limit, "b")) == (True, False)


def test_any_number_of_callers_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedjobs_hub.calls.limits._MOST_CALLERS", 3)
    limit = RateLimit(1, 1, "calls", Clock())
    for number in range(10):
        limit.take(str(number))
    assert (refused(limit, "9"), refused(limit, "0")) == (True, False)


@pytest.mark.parametrize(
    ("peer", "expected"), [("ipv4:10.0.0.1:5123", "ipv4:10.0.0.1"), ("ipv6:[::1]:1", "ipv6:[::1]")]
)
def test_a_caller_is_identified_by_the_address(peer: str, expected: str) -> None:
    assert host(peer) == expected
