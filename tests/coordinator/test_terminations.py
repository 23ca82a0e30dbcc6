"""What SIGTERM does: noted always, told to a listener, and raised where a section asks for it."""

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


def test_a_signal_is_noted(termination: Termination) -> None:
    assert not termination.requested
    _send()
    assert termination.requested


def test_a_listener_hears_of_it_also_when_it_comes_later(termination: Termination) -> None:
    heard: list[str] = []
    termination.subscribe(lambda: heard.append("first"))
    _send()
    termination.subscribe(lambda: heard.append("second"))
    assert heard == ["first", "second"]


def test_a_section_that_may_be_cut_is_cut_and_no_other(termination: Termination) -> None:
    with pytest.raises(InterruptedBySignal), termination.interrupting():
        _send()
    _send()


def test_a_section_does_not_begin_after_the_signal(termination: Termination) -> None:
    _send()
    with pytest.raises(InterruptedBySignal), termination.interrupting():
        pytest.fail("it began")


def test_no_module_that_is_imported_takes_it_for_an_error_of_its_own() -> None:
    assert not issubclass(InterruptedBySignal, Exception)
