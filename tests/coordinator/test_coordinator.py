"""The whole coordinator without a program: cohorts, collecting, stopping; silos come over loopback with mutual TLS."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from fedjobs_coordinator import coordinator as coordinator_module
from fedjobs_coordinator.assignments import Assignment
from fedjobs_coordinator.coordinator import Coordinator, SuspendedError
from fedjobs_protocol.channels import open_channel
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.files import write_atomically
from fedjobs_protocol.identities import RunAuthority, server_name
from fedjobs_protocol.ids import Digest, SiloName
from fedjobs_protocol.jobs import ResolvedJob
from fedjobs_protocol.session_client import SessionClient
from fedjobs_protocol.statuses import Phase, SiloState, Status
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import ALICE, BOB, JOB, JOIN, WORK, a_job, a_result, an_assignment, outcome, taken

SHARD = Digest("5a" * 32)
Result = TypeVar("Result")


class _Silo:
    """Joins, and answers as it is told."""

    def __init__(self, client: SessionClient) -> None:
        self.client = client
        self.session_id = ""

    def join(self, decline: str = "") -> _Silo:
        request = pb.JoinRequest()
        request.CopyFrom(JOIN)
        if decline:
            request.decline.CopyFrom(pb.Decline(rule="requesters", message=decline))
        self.session_id = self.client.join(request).session_id
        return self

    def pull(self, report: pb.Report | None = None) -> pb.PullWorkResponse:
        return self.client.pull_work(self.session_id, report)


class _Site:
    """A folder for coordinators, and silos that can reach them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = RunAuthority.create()
        self.pool = ThreadPoolExecutor(4)
        self.resources = contextlib.ExitStack()
        self._open: list[Coordinator] = []

    def start(self, job: ResolvedJob | None = None, listen: str = "127.0.0.1:0") -> Coordinator:
        identity = self.authority.issue_coordinator(JOB, server_name(JOB))
        coordinator = Coordinator(job or a_job(), identity, self.folder, listen)
        self._open.append(coordinator)
        return coordinator

    def close(self, coordinator: Coordinator, outcome: str = "Suspended") -> None:
        self._open.remove(coordinator)
        coordinator.stop()  # also who still waits in a test that failed
        coordinator.close(outcome)

    def close_all(self) -> None:
        for coordinator in list(self._open):
            self.close(coordinator)

    def silo(self, coordinator: Coordinator, name: SiloName) -> _Silo:
        identity = self.authority.issue_silo(JOB, name)
        channel = self.resources.enter_context(open_channel(coordinator.address, server_name(JOB), identity))
        return _Silo(SessionClient(channel))

    def meanwhile(self, call: Callable[..., Result], *arguments: object) -> Future[Result]:
        return self.pool.submit(call, *arguments)

    def is_waiting(self) -> bool:
        return (self.folder / "status.json").exists() and self.status().phase is Phase.WAITING_FOR_SILOS

    def status(self) -> Status:
        return Status.model_validate_json((self.folder / "status.json").read_bytes())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Site]:
    monkeypatch.setattr(coordinator_module, "_TICK_S", 0.02)
    site = _Site(tmp_path)
    with site.pool, site.resources:
        yield site
        site.close_all()


def _error(call: Callable[[], object]) -> FedjobsError:
    with pytest.raises(FedjobsError) as raised:
        call()
    return raised.value


# --- cohorts


def test_the_cohort_waits_for_all_silos(site: _Site) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(coordinator.cohort, SHARD)
    _until(site.is_waiting)
    assert "1 of 2" in site.status().message
    assert not waiting.done()
    site.silo(coordinator, BOB).join()
    assert waiting.result(10) == [ALICE, BOB]
    assert site.status().phase is Phase.RUNNING


def test_after_the_deadline_the_cohort_is_those_who_are_there(site: _Site) -> None:
    coordinator = site.start(a_job(least=1, deadline=0.3))
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD) == [BOB]


def test_a_goal_below_all_is_enough(site: _Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=1, goal=2))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert coordinator.cohort(SHARD) == [ALICE, BOB]


def test_silos_that_are_ready_beyond_the_goal_take_part_too(site: _Site) -> None:
    coordinator = site.start(a_job(least=1, goal=1))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    assert coordinator.cohort(SHARD) == [ALICE, BOB]


def test_too_few_silos_after_the_deadline_are_an_error_that_names_who_and_why(site: _Site) -> None:
    coordinator = site.start(a_job(["alice", "bob", "carol"], least=3, deadline=0.3))
    site.silo(coordinator, ALICE).join()
    site.silo(coordinator, BOB).join(decline="not for you")
    error = _error(lambda: coordinator.cohort(SHARD))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "Only 1 of at least 3" in error.public
    assert "bob is Declined (requesters: not for you)" in error.public
    assert "carol is Invited" in error.public
    assert "minSilos" in error.public


def test_silos_that_decline_are_not_waited_for(site: _Site) -> None:
    coordinator = site.start(a_job(least=1))
    site.silo(coordinator, ALICE).join(decline="not for you")
    site.silo(coordinator, BOB).join()
    assert coordinator.cohort(SHARD) == [BOB]


def test_when_too_many_decline_the_deadline_is_not_waited_for(site: _Site) -> None:
    coordinator = site.start(a_job(least=2, deadline=1000))
    waiting = site.meanwhile(coordinator.cohort, SHARD)
    site.silo(coordinator, ALICE).join(decline="not for you")
    error = _error(lambda: waiting.result(10))
    assert error.code is ErrorCode.COHORT_TOO_SMALL
    assert "alice is Declined" in error.public


def test_a_silo_that_refused_a_shard_is_asked_for_others(site: _Site) -> None:
    coordinator = site.start(a_job(least=1))
    for silo in (ALICE, BOB):
        site.silo(coordinator, silo).join()
    coordinator.refused(SHARD, ALICE)
    assert coordinator.cohort(SHARD) == [BOB]
    assert coordinator.cohort(Digest("00" * 32)) == [ALICE, BOB]


# --- work


def test_work_goes_to_its_silo_and_its_report_comes_back(site: _Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    assignment = an_assignment(ALICE)
    pulled = site.meanwhile(silo.pull)
    coordinator.assign([assignment])
    assert pulled.result(10).work.work_id == WORK
    site.meanwhile(silo.pull, a_result())
    coordinator.collected([assignment])
    assert taken(assignment).clients == 2
    assert site.status().silos[0].state in (SiloState.READY, SiloState.WORKING)


def test_collecting_ends_at_the_deadline_with_what_is_there(site: _Site) -> None:
    coordinator = site.start(a_job(deadline=0.2))
    assignment = an_assignment(ALICE)
    coordinator.assign([assignment])
    coordinator.collected([assignment])
    assert outcome(assignment) is None


def test_a_coordinator_that_starts_again_takes_finished_work_over_until_it_is_durable(site: _Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    _work(coordinator, silo, an_assignment(ALICE))
    site.close(coordinator)

    again = site.start()
    assert again.epoch == coordinator.epoch + 1
    assignment = an_assignment(ALICE)
    again.assign([assignment])
    again.collected([assignment])
    assert taken(assignment).clients == 2
    again.durable()
    site.close(again)

    third = site.start(a_job(deadline=0.1))
    assignment = an_assignment(ALICE)
    third.assign([assignment])
    third.collected([assignment])
    assert outcome(assignment) is None


def _work(coordinator: Coordinator, silo: _Silo, assignment: Assignment) -> None:
    coordinator.assign([assignment])
    silo.pull()
    polling = threading.Thread(target=_quietly, args=(lambda: silo.pull(a_result()),), daemon=True)
    polling.start()
    coordinator.collected([assignment])


def test_a_silos_part_that_was_left_out_is_in_the_status(site: _Site) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    coordinator.excluded(ALICE, "ReportNotFinite", "it sent NaN")
    row = site.status().silos[0]
    assert (row.state, row.reason, row.message) == (SiloState.READY, "ReportNotFinite", "it sent NaN")


def test_the_disk_is_looked_at_before_silos_work(site: _Site) -> None:
    coordinator = site.start()
    coordinator.check_disk(1000, silos=2)
    error = _error(lambda: coordinator.check_disk(1 << 60, silos=2))
    assert error.code is ErrorCode.DISK_FULL
    assert str(4 << 60) in error.public


def test_files_that_will_be_written_over_count_as_free(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    (site.folder / "spool" / "spares" / "0.spare").write_bytes(bytes(4000))
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage)
    coordinator.check_disk(1000, silos=2)
    assert _error(lambda: coordinator.check_disk(1001, silos=2)).code is ErrorCode.DISK_FULL


class _Usage:
    free = 0


# --- the end


def test_stopping_suspends_who_waits_for_silos(site: _Site) -> None:
    coordinator = site.start(a_job(deadline=1000))
    waiting = site.meanwhile(coordinator.cohort, SHARD)
    collecting = site.meanwhile(coordinator.collected, [an_assignment(ALICE)])
    _until(site.is_waiting)
    coordinator.stop()
    for future in (waiting, collecting):
        with pytest.raises(SuspendedError):
            future.result(10)
    with pytest.raises(SuspendedError):
        coordinator.cohort(SHARD)


def test_closing_tells_the_silos_and_frees_port_and_folder(site: _Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(silo.pull)
    _until(lambda: _polls(coordinator, ALICE))
    site.close(coordinator, "Complete")
    assert waiting.result(10).over.outcome == "Complete"
    again = site.start(listen=coordinator.address)
    assert again.address == coordinator.address


def test_a_taken_port_is_said_and_leaves_the_folder_free(site: _Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_port:
        address = f"127.0.0.1:{taken_port.getsockname()[1]}"
        error = _error(lambda: site.start(listen=address))
    assert error.code is ErrorCode.PORT_IN_USE
    assert address in error.public
    assert site.start().address


def test_a_second_coordinator_in_the_folder_is_refused(site: _Site) -> None:
    site.start()
    assert _error(site.start).code is ErrorCode.ALREADY_RUNNING


# --- looking after the silos


def test_a_silo_that_fell_silent_is_lost(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    monkeypatch.setattr("fedjobs_coordinator.roster.LOST_AFTER_S", 0.1)
    _until(lambda: site.status().silos[0].state is SiloState.LOST)


def test_a_full_disk_does_not_end_the_looking_after_silos(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    failed = threading.Event()

    def full(*_: object, **__: object) -> None:
        failed.set()
        raise FedjobsError(ErrorCode.DISK_FULL, "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("fedjobs_coordinator.progress.write_atomically", full)
        assert failed.wait(10)
    monkeypatch.setattr("fedjobs_coordinator.progress.write_atomically", write_atomically)
    monkeypatch.setattr("fedjobs_coordinator.roster.LOST_AFTER_S", 0.1)
    _until(lambda: site.status().silos[0].state is SiloState.LOST)


def _polls(coordinator: Coordinator, silo: SiloName) -> bool:
    session = coordinator._sessions._sessions.get(silo)
    return session is not None and session.waiting is not None


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(FedjobsError):
        call()


def _until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
