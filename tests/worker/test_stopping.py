from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from fedjobs_worker.stopping import StopAskedError, Stopping


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def asked(grace_s: float) -> Stopping:
    stopping = Stopping(grace_s)
    stopping.on_sigterm()
    return stopping


@pytest.mark.parametrize("grace_s", [0, 1e6])
def test_an_idle_process_ends_at_once(grace_s: float) -> None:
    asked(grace_s)
    with pytest.raises(StopAskedError):
        os.kill(os.getpid(), signal.SIGTERM)


def work(stopping: Stopping, finished: list[str]) -> None:
    with stopping.busy():
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append("work")


def test_what_is_in_hand_is_finished_first() -> None:
    stopping, finished = asked(1e6), []
    with pytest.raises(StopAskedError):
        work(stopping, finished)
    assert finished == ["work"]
    assert stopping.asked


def test_without_grace_it_is_dropped() -> None:
    finished: list[str] = []
    with pytest.raises(StopAskedError):
        work(asked(0), finished)
    assert finished == []


def test_an_error_in_hand_is_still_that_error_and_asking_again_changes_nothing() -> None:
    stopping = asked(1e6)

    def fail() -> None:
        with stopping.busy():
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    os.kill(os.getpid(), signal.SIGTERM)
