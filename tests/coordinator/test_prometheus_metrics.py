"""The metrics of a coordinator."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common.ids import Generation
from fedjobs_coordinator.sessions.roster import Roster
from fedjobs_coordinator.status.progress import Progress
from fedjobs_coordinator.status.prometheus_metrics import CoordinatorMetrics

from .builders import ALICE, BOB, a_job


class _Measured:
    def __init__(self, folder: Path) -> None:
        self.progress = Progress(folder, a_job(), Generation(4))
        self.roster = Roster([ALICE, BOB], lambda: 0.0, self.progress.silo)
        self.progress.follow(self.roster)
        metrics = CoordinatorMetrics(lambda: self.progress.status)
        self.progress.subscribe(metrics.count)
        self._registry = metrics.registry

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"fedjobs_coordinator_{name}", labels)


@pytest.fixture
def measured(tmp_path: Path) -> _Measured:
    return _Measured(tmp_path)


def test_rounds_are_counted_and_timed(measured: _Measured) -> None:
    assert measured.value("rounds_total") == 0
    for number in (1, 2):
        measured.progress.round_finished(number, {}, [ALICE])
    assert measured.value("rounds_total") == 2
    assert measured.value("round_duration_seconds_count") == 2
    assert measured.value("round_duration_seconds_bucket", le="+Inf") == 2


def test_bytes_are_counted_by_direction(measured: _Measured) -> None:
    measured.roster.transferred(ALICE, 100, 1)
    measured.roster.transferred(BOB, 200, 2)
    measured.progress.refresh()
    assert measured.value("bytes_total", direction="down") == 300
    assert measured.value("bytes_total", direction="up") == 3


def test_silos_are_counted_by_state_and_every_state_exists(measured: _Measured) -> None:
    measured.roster.joined(ALICE)
    measured.progress.refresh()
    assert measured.value("silos", state="Ready") == 1
    assert measured.value("silos", state="Invited") == 1
    assert measured.value("silos", state="Lost") == 0


def test_the_generation_is_a_metric(measured: _Measured) -> None:
    assert measured.value("generation") == 4
