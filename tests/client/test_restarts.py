import pytest
from fedjobs.restarts import LONGEST_WAIT_S, SETTLED_S, Crashes, RestartPolicy, wait_before_restart

ALWAYS = RestartPolicy(frozenset({3}))
TWICE = RestartPolicy(frozenset({0, 1}), limit=2)


def crashes(*ran_s: float) -> Crashes:
    total = Crashes()
    for seconds in ran_s:
        total = total.after(seconds)
    return total


@pytest.mark.parametrize("code", [0, 1])
def test_a_final_exit_code_is_never_followed_by_a_restart(code: int) -> None:
    assert wait_before_restart(TWICE, code, crashes(1)) is None


def test_a_crash_is_followed_by_restarts_up_to_the_limit() -> None:
    assert wait_before_restart(TWICE, -9, crashes(1, 1)) is not None
    assert wait_before_restart(TWICE, -9, crashes(1, 1, 1)) is None


def test_a_long_run_between_does_not_raise_the_limit() -> None:
    assert wait_before_restart(TWICE, -9, crashes(SETTLED_S, SETTLED_S, SETTLED_S)) is None


def test_without_a_limit_it_is_always_started_again_with_growing_waits_up_to_the_longest() -> None:
    waits = [wait_before_restart(ALWAYS, -11, crashes(*[1.0] * number)) for number in (1, 2, 3, 100, 5000)]
    assert waits == sorted(waits, key=lambda wait: wait or 0)
    assert waits[-1] == LONGEST_WAIT_S


def test_after_a_long_run_the_wait_is_short_again() -> None:
    first = wait_before_restart(ALWAYS, -9, crashes(1))
    assert wait_before_restart(ALWAYS, -9, crashes(1, 1, 1, SETTLED_S)) == first
