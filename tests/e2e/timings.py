"""How long the preparations take, and each test with its fixtures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


class Timings:
    """A pytest plugin that adds up durations. `table` prints them at the end."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._began = time.monotonic()

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Measures a step that is not a test."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[what] = time.monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds the duration of a test's set-up, call or teardown."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0) + report.duration

    def table(self, say: Callable[[str], None]) -> None:
        """Prints one line for each step, in the order in which they began. They may overlap."""
        for what, seconds in self._seconds.items():
            say(f"{seconds:7.1f} s  {what}")
        say(f"{time.monotonic() - self._began:7.1f} s  total")
