import pytest
from fedjobs.restarts import LONGEST_WAIT_S, SETTLED_S, Crashes, RestartPolicy, over_for, wait_before_restart
from fedjobs_common.jobs.statuses import Phase, SiloState, SiloStatus

from tests.client.run_folders import a_status

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


def test_a_long_run_between_crashes_does_not_raise_the_limit() -> None:
    assert wait_before_restart(TWICE, -9, crashes(SETTLED_S, SETTLED_S, SETTLED_S)) is None


def test_without_a_limit_it_is_always_restarted_with_growing_waits_up_to_a_maximum() -> None:
    waits = [wait_before_restart(ALWAYS, -11, crashes(*[1.0] * number)) for number in (1, 2, 3, 100, 5000)]
    assert waits == sorted(waits, key=lambda wait: wait or 0)
    assert waits[-1] == LONGEST_WAIT_S


def test_after_a_long_run_the_wait_is_short_again() -> None:
    first = wait_before_restart(ALWAYS, -9, crashes(1))
    assert wait_before_restart(ALWAYS, -9, crashes(1, 1, 1, SETTLED_S)) == first


@pytest.mark.parametrize("phase", [Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED])
def test_a_job_that_ended_is_over_for_every_silo(phase: Phase) -> None:
    assert over_for("hospital-a", a_status(phase=phase, generation=2), earlier_generation=1)


def test_the_status_of_an_earlier_start_does_not_prevent_a_workers_restart() -> None:
    assert not over_for("hospital-a", a_status(phase=Phase.SUSPENDED, generation=1), earlier_generation=1)
    assert not over_for("hospital-a", None, earlier_generation=0)


def test_a_running_job_is_over_only_for_a_silo_that_declined() -> None:
    declined = SiloStatus(name="hospital-b", state=SiloState.DECLINED)
    status = a_status(generation=1, silos=[declined])
    assert over_for("hospital-b", status, earlier_generation=0)
    assert not over_for("hospital-a", status, earlier_generation=0)
