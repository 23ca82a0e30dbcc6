"""The interval of heartbeats, which the coordinator chooses."""

import threading

from fedjobs_worker.sessions.activities import interval
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats())
def test_any_interval_that_a_coordinator_asks_for_is_one_that_a_thread_can_wait(seconds: float) -> None:
    assert 0.1 <= interval(seconds) <= 40 < threading.TIMEOUT_MAX
