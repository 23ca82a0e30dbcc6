from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import pytest
from fedjobs_common import digests
from fedjobs_common.ids import Digest, Generation, SiloName
from fedjobs_common.jobs.statuses import (
    Phase,
    PhaseEvent,
    ProgressEvent,
    ResultLocation,
    RoundEvent,
    SiloEvent,
    SiloState,
    Status,
)
from fedjobs_coordinator.sessions.roster import Roster
from fedjobs_coordinator.status import progress as progress_module
from fedjobs_coordinator.status.progress import Progress
from pydantic import TypeAdapter

from .builders import ALICE, BOB, a_job

_EVENT: TypeAdapter[ProgressEvent] = TypeAdapter(ProgressEvent)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path, a_job(), Generation(2))


def _status(folder: Path) -> Status:
    return Status.model_validate_json((folder / "status.json").read_bytes())


def _events(folder: Path) -> list[ProgressEvent]:
    return [_EVENT.validate_json(line) for line in (folder / "progress.jsonl").read_bytes().splitlines()]


def test_the_status_has_the_job_and_its_progress(progress: Progress, tmp_path: Path) -> None:
    progress.phase(Phase.RUNNING)
    progress.rounds(3, 20)
    status = _status(tmp_path)
    assert (status.job_name, status.generation, status.phase) == ("digits", 2, Phase.RUNNING)
    assert (status.round, status.rounds) == (3, 20)


def test_a_phase_is_reported_once_with_its_message_and_code(progress: Progress, tmp_path: Path) -> None:
    for _ in range(3):
        progress.phase(Phase.FAILED, "too few silos", "CohortTooSmall")
    (event,) = _events(tmp_path)
    assert isinstance(event, PhaseEvent)
    assert (event.phase, event.message) == (Phase.FAILED, "too few silos")
    assert _status(tmp_path).code == "CohortTooSmall"


def test_a_round_has_its_own_bytes_and_metrics(progress: Progress, tmp_path: Path) -> None:
    roster = Roster([ALICE, BOB], lambda: 0.0, progress.silo)
    progress.follow(roster)
    progress.rounds(0, 2)
    for number in (1, 2):
        roster.transferred(ALICE, 100 * number, 10)
        progress.round_finished(number, {"train/loss": 1 / number}, [ALICE])
    first, second = _events(tmp_path)
    assert isinstance(first, RoundEvent)
    assert isinstance(second, RoundEvent)
    assert [(e.bytes_down, e.bytes_up) for e in (first, second)] == [(100, 10), (200, 10)]
    assert second.silos == [ALICE]
    status = _status(tmp_path)
    assert (status.round, status.metrics, status.seconds_left) == (2, {"train/loss": 0.5}, 0)
    assert [(row.name, row.bytes_down) for row in status.silos] == [(ALICE, 300), (BOB, 0)]


def test_metrics_that_are_not_finite_can_be_read_again(progress: Progress, tmp_path: Path) -> None:
    progress.round_finished(1, {"loss": math.nan, "other": math.inf}, [ALICE])
    (event,) = _events(tmp_path)
    assert isinstance(event, RoundEvent)
    for metrics in (event.metrics, _status(tmp_path).metrics):
        assert math.isnan(metrics["loss"])
        assert metrics["other"] == math.inf


def test_a_silos_change_is_reported(progress: Progress, tmp_path: Path) -> None:
    roster = Roster([ALICE], lambda: 0.0, progress.silo)
    progress.follow(roster)
    roster.joined(ALICE)
    roster.declined(ALICE, "requesters", "not\nfor you")
    _, event = _events(tmp_path)
    assert isinstance(event, SiloEvent)
    assert (event.silo, event.state, event.message) == (ALICE, SiloState.DECLINED, "not\nfor you")
    progress.refresh()
    assert _status(tmp_path).silos[0].state is SiloState.DECLINED


def test_a_thousand_joins_write_a_thousand_lines_and_one_status(
    progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"silo-{number:04}" for number in range(1000)]
    roster = Roster(names, lambda: 0.0, progress.silo)
    progress.follow(roster)
    written: list[int] = []
    written_before = progress_module.write_atomically

    def counted(path: Path, content: bytes) -> None:
        if tmp_path in path.parents:  # another coordinator of this process writes, too
            written.append(len(content))
        written_before(path, content)

    monkeypatch.setattr(progress_module, "write_atomically", counted)
    for name in names:
        roster.joined(SiloName(name))
    assert written == []
    assert len(_events(tmp_path)) == 1000
    progress.refresh()
    assert len(written) == 1
    assert {row.state for row in _status(tmp_path).silos} == {SiloState.READY}


def test_a_change_of_a_silo_does_not_wait_for_a_thread_that_writes_the_status(
    progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roster = Roster([ALICE], lambda: 0.0, progress.silo)
    writing, changed = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        writing.set()
        assert changed.wait(10)

    monkeypatch.setattr(progress_module, "write_atomically", slow)
    thread = threading.Thread(target=progress.refresh)
    thread.start()
    assert writing.wait(10)
    roster.joined(ALICE)
    changed.set()
    thread.join()
    assert len(_events(tmp_path)) == 1


def test_a_line_that_a_crash_truncated_does_not_affect_the_next(tmp_path: Path) -> None:
    Progress(tmp_path, a_job(), Generation(1)).phase(Phase.RUNNING)
    path = tmp_path / "progress.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event": "rou')
    Progress(tmp_path, a_job(), Generation(2)).round_finished(1, {}, [])
    whole, torn, event = path.read_bytes().splitlines()
    assert json.loads(whole)["event"] == "phase"
    assert torn == b'{"event": "rou'
    assert json.loads(event)["event"] == "round"


def test_a_process_continues_with_the_rounds_and_the_computation_of_its_predecessor(tmp_path: Path) -> None:
    before = Progress(tmp_path, a_job(), Generation(1))
    before.rounds(0, 20)
    before.computation([Digest("5a" * 32)])
    before.round_finished(3, {"loss": 0.5}, [ALICE])
    before.phase(Phase.FAILED, "too few silos", "CohortTooSmall")
    status = Progress(tmp_path, a_job(), Generation(2)).status
    assert (status.phase, status.generation, status.message, status.code) == (Phase.STARTING, 2, "", "")
    assert (status.round, status.rounds, status.metrics) == (3, 20, {"loss": 0.5})
    assert status.computation == "5a" * 32


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]"])
def test_an_unreadable_status_is_ignored(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / "status.json").write_bytes(spoilt)
    assert Progress(tmp_path, a_job(), Generation(2)).status.round == 0


def test_the_status_of_another_job_is_ignored(tmp_path: Path) -> None:
    Progress(tmp_path, a_job().model_copy(update={"uid": "another"}), Generation(1)).rounds(3, 20)
    assert Progress(tmp_path, a_job(), Generation(2)).status.round == 0


def test_the_computation_is_the_first_invocations(progress: Progress) -> None:
    shards = [Digest("5a" * 32), Digest("6b" * 32)]
    progress.computation(shards[:1])
    progress.computation(shards)
    assert progress.status.computation == "5a" * 32


def test_several_shards_have_a_combined_digest(progress: Progress) -> None:
    shards = [Digest("5a" * 32), Digest("6b" * 32)]
    progress.computation(shards)
    assert progress.status.computation == digests.digest(*map(digests.raw, shards))


def test_a_complete_job_has_its_result_and_no_message(progress: Progress, tmp_path: Path) -> None:
    progress.phase(Phase.EXPORTING, "the storage is away", "OutputUnavailable")
    progress.complete(ResultLocation(uri="s3://models/digits", digest="cd" * 32))
    status = _status(tmp_path)
    assert (status.phase, status.message, status.code) == (Phase.COMPLETE, "", "")
    assert status.result == ResultLocation(uri="s3://models/digits", digest="cd" * 32)


def test_a_subscriber_gets_each_event(progress: Progress) -> None:
    heard: list[ProgressEvent] = []
    progress.subscribe(heard.append)
    progress.phase(Phase.RUNNING)
    progress.round_finished(1, {}, [ALICE])
    assert [event.event for event in heard] == ["phase", "round"]
