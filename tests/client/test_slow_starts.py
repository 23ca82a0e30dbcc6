"""The user gets a message if a coordinator takes long to start."""

from pathlib import Path

from fedjobs.slow_starts import SlowStart
from fedjobs_common.jobs.statuses import Phase, Status

LOG = Path("runs/digits/logs/coordinator.log")


def a_status(phase: Phase = Phase.STARTING, generation: int = 1) -> Status:
    return Status(job_uid="0", job_name="digits", phase=phase, generation=generation)


def said(start: SlowStart, status: Status | None, *times: float) -> list[str]:
    return [start.message(status, time) for time in times]


def test_a_normal_start_has_no_message() -> None:
    start = SlowStart(LOG, 100)
    assert said(start, None, 100.1, 101) == ["", ""]
    assert said(start, a_status(), 102, 125) == ["", ""]
    assert said(start, a_status(Phase.WAITING_FOR_SILOS), 126, 1000) == ["", ""]


def test_a_slow_start_is_reported_every_thirty_seconds_with_the_log() -> None:
    start = SlowStart(LOG, 100)
    start.message(a_status(), 101)
    first, between, second = said(start, a_status(), 131, 160.9, 161)
    assert (first, between) == (
        "The coordinator is still importing TensorFlow Federated and the program after 30 s. Its log is"
        " runs/digits/logs/coordinator.log.",
        "",
    )
    assert "after 60 s" in second


def test_a_coordinator_without_a_status_is_reported() -> None:
    assert "has not started yet after 30 s" in SlowStart(LOG, 100).message(None, 130)


def test_each_start_is_timed_separately() -> None:
    start = SlowStart(LOG, 100)
    assert start.message(a_status(), 131) == ""
    assert start.message(a_status(), 161)
    assert said(start, a_status(generation=2), 170, 199.9) == ["", ""]
    assert "after 30 s" in start.message(a_status(generation=2), 200)
