from __future__ import annotations

import io
import re

import pytest
from fedjobs import amounts
from fedjobs.tables import Lines, LiveTable, drawn, line, view
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, RoundEvent, SiloEvent, SiloState, Status
from rich.console import Console

from tests.client.run_folders import a_round, a_status


def text(status: Status | None, rounds: list[RoundEvent] | None = None, notes: list[str] | None = None) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(drawn(status, rounds or [], notes or []))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def row(shown: str, begin: str) -> list[str]:
    found = next(line for line in shown.splitlines() if line.strip().startswith(begin))
    return re.split(r"\s{2,}", found.strip())


def test_before_the_first_status_the_table_says_that_the_run_starts() -> None:
    assert "Starting" in text(None)


def test_the_headline_has_job_phase_rounds_and_remaining_time() -> None:
    headline = text(a_status(round=7, rounds=20, seconds_left=65.0)).splitlines()[0]
    for part in ("digits", "Running", "round 7/20", "1 min 05 s left"):
        assert part in headline


def test_a_failure_shows_its_message() -> None:
    assert "too few silos [0]" in text(a_status(phase=Phase.FAILED, message="too few silos [0]"))


def test_each_silo_has_state_activity_device_clients_and_bytes() -> None:
    shown = text(a_status())
    assert row(shown, "hospital-a") == ["hospital-a", "Working", "running", "CPU", "7", "4.0 kB", "0 B"]
    assert row(shown, "hospital-b")[1:3] == ["Refused", "policy.minClients"]


def test_rounds_are_shown_with_metrics_over_all_silos_evaluation_first() -> None:
    shown = text(a_status(), [a_round(1), a_round(2)])
    assert row(shown, "2") == ["2", "250 ms", "2", "4.0 kB", "2.5 MB", "0.2500", "0.5200"]
    assert shown.count("hospital-a") == 1  # only in the table of silos


def test_names_are_not_interpreted_as_markup() -> None:
    assert "job [red]" in text(a_status(job_name="job [red]"))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            a_round(3, metrics={"train/loss": 0.5}),
            "round 3/20: 250 ms, 2 silos, 4.0 kB down, 2.5 MB up; train/loss 0.5000",
        ),
        (SiloEvent(time=1, silo="a", state=SiloState.READY), "silo a: Ready"),
        (
            SiloEvent(
                time=1,
                silo="a",
                state=SiloState.REFUSED,
                reason="policy.operations",
                message="ReadFile is not allowed.",
            ),
            "silo a: Refused (policy.operations) ReadFile is not allowed.",
        ),
        (PhaseEvent(time=1, phase=Phase.EXPORTING), "Exporting"),
        (PhaseEvent(time=1, phase=Phase.FAILED, message="no silo"), "Failed: no silo"),
    ],
)
def test_an_event_is_one_line_after_the_time_of_day(event: PhaseEvent | SiloEvent | RoundEvent, said: str) -> None:
    time_of_day, _, rest = line(event, rounds=20).partition(" ")
    assert time_of_day.count(":") == 2
    assert rest == said


def test_without_a_terminal_there_are_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=40)
    with view(console) as shown:
        assert isinstance(shown, Lines)
        shown.status(a_status(rounds=20))
        shown.event(a_round(1))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert "round 1/20" in lines[0]
    assert "\x1b" not in lines[0]


def test_on_a_terminal_there_is_a_live_table_that_stays_when_it_ends() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with view(console) as shown:
        assert isinstance(shown, LiveTable)
        shown.status(a_status(round=2, rounds=2))
        shown.event(a_round(2))
        shown.event(SiloEvent(time=1, silo="hospital-b", state=SiloState.REFUSED, message="The data do not fit."))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 2/2" in printed
    assert "The data do not fit." in printed


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (amounts.size(0), "0 B"),
        (amounts.size(999), "999 B"),
        (amounts.size(1000), "1.0 kB"),
        (amounts.size(999_999), "1.0 MB"),
        (amounts.size(123_456_789), "123 MB"),
        (amounts.size(5 * 10**15), "5000 TB"),
        (amounts.duration(0.0042), "4 ms"),
        (amounts.duration(59.99), "1 min 00 s"),
        (amounts.duration(3.14), "3.1 s"),
        (amounts.duration(4000), "1 h 06 min"),
        (amounts.number(1200.0), "1200"),
        (amounts.number(0.97531), "0.9753"),
        (amounts.number(0.000012345), "1.234e-05"),
    ],
)
def test_amounts_are_abbreviated(shown: str, wanted: str) -> None:
    assert shown == wanted
