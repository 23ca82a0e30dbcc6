from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs.status_follower import Follower, read_events, read_status
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, RoundEvent

from tests.client.run_folders import ARun, a_round


@pytest.fixture
def run(tmp_path: Path) -> ARun:
    return ARun(tmp_path / "run")


def numbers(follower: Follower) -> list[int]:
    return [event.round for event in follower.events() if isinstance(event, RoundEvent)]


def test_a_coordinator_that_has_not_started_has_no_status(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "nowhere", from_now=True)
    assert follower.status() is None
    assert follower.events() == []


def test_each_status_is_seen_once(run: ARun) -> None:
    follower = Follower(run.folder.coordinator)
    run.with_status(round=1)
    assert (found := follower.status()) is not None
    assert found.round == 1
    assert follower.status() is None
    run.with_status(round=10)
    assert (found := follower.status()) is not None
    assert found.round == 10


def test_each_event_is_seen_once_and_in_order(run: ARun) -> None:
    follower = Follower(run.folder.coordinator)
    run.with_events(a_round(1), a_round(2))
    assert numbers(follower) == [1, 2]
    assert numbers(follower) == []
    run.with_events(a_round(3))
    assert numbers(follower) == [3]


def test_an_incomplete_line_is_seen_when_it_is_complete(run: ARun) -> None:
    follower = Follower(run.folder.coordinator)
    line = a_round(1).model_dump_json(by_alias=True).encode() + b"\n"
    run.folder.progress.write_bytes(line[:20])
    assert numbers(follower) == []
    with run.folder.progress.open("ab") as file:
        file.write(line[20:])
    assert numbers(follower) == [1]


def test_truncated_lines_and_events_of_later_versions_are_skipped(run: ARun) -> None:
    run.folder.progress.write_text('{"event": "rou\n{"event": "moon", "time": 1}\n')
    run.with_events(a_round(1))
    assert numbers(Follower(run.folder.coordinator)) == [1]


def test_from_now_skips_events_of_an_earlier_start(run: ARun) -> None:
    run.with_status().with_rounds(2)
    follower = Follower(run.folder.coordinator, from_now=True)
    assert follower.status() is None
    run.with_events(a_round(3))
    assert numbers(follower) == [3]


def test_a_new_log_is_read_from_its_beginning(run: ARun) -> None:
    run.with_rounds(3)
    follower = Follower(run.folder.coordinator, from_now=True)
    run.folder.progress.unlink()
    run.with_rounds(1)
    assert numbers(follower) == [1]


def test_an_unreadable_status_is_none(run: ARun) -> None:
    run.folder.status.write_text('{"phase": "Dreaming"}')
    assert read_status(run.folder.coordinator) is None


def test_all_events_of_a_run_are_read_with_their_kinds(run: ARun) -> None:
    run.with_events(PhaseEvent(time=1, phase=Phase.RUNNING), a_round(1))
    assert [event.event for event in read_events(run.folder.coordinator)] == ["phase", "round"]
