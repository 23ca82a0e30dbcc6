"""SIGTERM is always recorded, reported to a listener, and raised in sections that ask for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from fedjobs_coordinator.process.terminations import InterruptedBySignal, Termination


@pytest.fixture
def termination() -> Iterator[Termination]:
    before = signal.getsignal(signal.SIGTERM)
    yield Termination()
    signal.signal(signal.SIGTERM, before)


def _send() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_a_signal_is_recorded(termination: Termination) -> None:
    assert not termination.requested
    _send()
    assert termination.requested


def test_a_later_listener_gets_the_signal_too(termination: Termination) -> None:
    heard: list[str] = []
    termination.subscribe(lambda: heard.append("first"))
    _send()
    termination.subscribe(lambda: heard.append("second"))
    assert heard == ["first", "second"]


def test_only_interruptible_sections_are_interrupted(termination: Termination) -> None:
    with pytest.raises(InterruptedBySignal), termination.interrupting():
        _send()
    _send()


def test_a_section_does_not_begin_after_the_signal(termination: Termination) -> None:
    _send()
    with pytest.raises(InterruptedBySignal), termination.interrupting():
        pytest.fail("the section began")


def test_imported_modules_do_not_catch_the_interrupt() -> None:
    assert not issubclass(InterruptedBySignal, Exception)
