"""A coordinator without a program: cohorts, reports and stopping. Silos connect by mutual TLS on the loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import SiloName, WorkId
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.outcomes import Failure
from fedjobs_coordinator.coordinator import Coordinator, SuspendedError
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor

from .builders import ALICE, WORK, a_job, a_result, an_assignment, outcome, taken
from .sites import CALL, SHARD, Silo, Site, cohort_of, raised_by, until

LARGE = frame([np.zeros(500_000, np.float32)]).tobytes()
LARGE_TYPES = (Leaf(name="sum", tensor=Tensor(dtype="float32", shape=[500_000])),)


def test_work_is_assigned_to_its_silo_which_reports(site: Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    assignment = an_assignment(ALICE)
    pulled = site.meanwhile(silo.pull)
    coordinator.assign([assignment])
    assert pulled.result(10).work.work_id == WORK
    site.meanwhile(silo.pull, a_result())
    coordinator.wait_for_reports([assignment])
    assert taken(assignment).clients == 2
    until(lambda: site.status().silos[0].state in (SiloState.READY, SiloState.WORKING))


def test_collecting_ends_at_the_deadline_with_the_available_reports(site: Site) -> None:
    coordinator = site.start(a_job(deadline=0.2))
    assignment = an_assignment(ALICE)
    coordinator.assign([assignment])
    coordinator.wait_for_reports([assignment])
    assert outcome(assignment) is None


def test_a_restarted_coordinator_keeps_finished_work_until_it_is_durable(site: Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    _work(coordinator, silo, an_assignment(ALICE))
    site.close(coordinator)

    again = site.start()
    assert again.generation == coordinator.generation + 1
    assignment = an_assignment(ALICE)
    again.assign([assignment])
    again.wait_for_reports([assignment])
    assert taken(assignment).clients == 2
    again.mark_durable(1)
    site.close(again)

    third = site.start(a_job(deadline=0.1))
    assignment = an_assignment(ALICE)
    third.assign([assignment])
    third.wait_for_reports([assignment])
    assert outcome(assignment) is None


def _work(coordinator: Coordinator, silo: Silo, assignment: Assignment) -> None:
    coordinator.assign([assignment])
    silo.pull()
    polling = threading.Thread(target=_ignore_refusal, args=(lambda: silo.pull(a_result()),), daemon=True)
    polling.start()
    coordinator.wait_for_reports([assignment])


def test_a_silos_excluded_report_is_in_the_status(site: Site) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    coordinator.mark_failed(CALL, SHARD, ALICE, Failure("ReportNotFinite", "it sent NaN"))
    until(lambda: site.status().silos[0].reason)
    row = site.status().silos[0]
    assert (row.state, row.reason, row.message) == (SiloState.READY, "ReportNotFinite", "it sent NaN")


def test_the_disk_is_checked_before_silos_work(site: Site) -> None:
    coordinator = site.start()
    coordinator.check_disk(1000, silos=2)
    error = raised_by(lambda: coordinator.check_disk(1 << 60, silos=2))
    assert error.code is ErrorCode.DISK_FULL
    assert str(4 << 60) in error.public


def test_files_that_will_be_reused_count_as_free(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    (site.folder / "spool" / "spares" / "0.spare").write_bytes(bytes(4000))
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage)
    coordinator.check_disk(1000, silos=2)
    assert raised_by(lambda: coordinator.check_disk(1001, silos=2)).code is ErrorCode.DISK_FULL


class _Usage:
    free = 0


def test_rounds_of_a_program_that_never_saves_use_no_more_disk_after_the_first(site: Site) -> None:
    coordinator = site.start(a_job(["alice"]))
    silo = site.silo(coordinator, ALICE).join()
    sizes = []
    for number in range(1, 7):
        work_id = WorkId(f"{number:064x}")
        assignment = replace(an_assignment(ALICE, work_id, None, LARGE_TYPES, len(LARGE)), number=number)
        coordinator.assign([assignment])
        silo.pull()
        silo.client.put_blob(silo.session_id, work_id, LARGE)
        site.meanwhile(silo.pull, a_result(work_id=work_id, digest=digests.raw(digests.digest(LARGE))))
        coordinator.wait_for_reports([assignment])
        assert taken(assignment).path is not None
        coordinator.finish_invocation(number)
        sizes.append(sum(p.stat().st_size for p in (site.folder / "spool").rglob("*") if p.is_file()))
    assert sizes[0] >= len(LARGE)
    assert max(sizes) < 4.1 * len(LARGE)
    assert sizes[-1] <= sizes[2] + 1000


# --- the end


def test_stopping_suspends_a_program_that_waits_for_silos(site: Site) -> None:
    coordinator = site.start(a_job(deadline=1000))
    waiting = site.meanwhile(cohort_of, coordinator)
    collecting = site.meanwhile(coordinator.wait_for_reports, [an_assignment(ALICE)])
    until(site.is_waiting)
    coordinator.stop()
    for future in (waiting, collecting):
        with pytest.raises(SuspendedError):
            future.result(10)
    with pytest.raises(SuspendedError):
        cohort_of(coordinator)


def test_closing_informs_the_silos_and_releases_port_and_folder(site: Site) -> None:
    coordinator = site.start()
    silo = site.silo(coordinator, ALICE).join()
    waiting = site.meanwhile(silo.pull)
    until(lambda: _polls(coordinator, ALICE))
    site.close(coordinator, "Complete")
    assert waiting.result(10).over.outcome == "Complete"
    again = site.start(listen=coordinator.address)
    assert again.address == coordinator.address


def test_a_port_in_use_is_reported_and_leaves_the_folder_unlocked(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_port:
        address = f"127.0.0.1:{taken_port.getsockname()[1]}"
        error = raised_by(lambda: site.start(listen=address))
    assert error.code is ErrorCode.PORT_IN_USE
    assert address in error.public
    assert site.start().address


def test_a_second_coordinator_in_the_folder_is_refused(site: Site) -> None:
    site.start()
    assert raised_by(site.start).code is ErrorCode.ALREADY_RUNNING


# --- watching the silos


def test_a_silent_silo_is_lost(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    monkeypatch.setattr("fedjobs_coordinator.sessions.roster.LOST_AFTER_S", 0.1)
    until(lambda: site.status().silos[0].state is SiloState.LOST)


def test_a_full_disk_does_not_stop_the_watching_of_silos(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = site.start()
    site.silo(coordinator, ALICE).join()
    failed = threading.Event()

    def full(*_: object, **__: object) -> None:
        failed.set()
        raise FedjobsError(ErrorCode.DISK_FULL, "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("fedjobs_coordinator.status.progress.write_atomically", full)
        assert failed.wait(10)
    monkeypatch.setattr("fedjobs_coordinator.status.progress.write_atomically", write_atomically)
    monkeypatch.setattr("fedjobs_coordinator.sessions.roster.LOST_AFTER_S", 0.1)
    until(lambda: site.status().silos[0].state is SiloState.LOST)


def test_a_full_disk_stops_neither_work_nor_the_end_of_the_job(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise FedjobsError(ErrorCode.DISK_FULL, "The disk is full.")

    coordinator = site.start()
    monkeypatch.setattr("fedjobs_coordinator.status.progress.write_atomically", full)
    silo = site.silo(coordinator, ALICE).join()
    _work(coordinator, silo, an_assignment(ALICE))
    coordinator.mark_failed(CALL, SHARD, ALICE, Failure("ReportNotFinite", "it sent NaN"))
    site.close(coordinator)
    monkeypatch.setattr("fedjobs_coordinator.status.progress.write_atomically", write_atomically)
    assert site.start().generation == coordinator.generation + 1


def _polls(coordinator: Coordinator, silo: SiloName) -> bool:
    session = coordinator._sessions._sessions._sessions.get(silo)
    return session is not None and session.waiting is not None


def _ignore_refusal(call: Callable[[], object]) -> None:
    with contextlib.suppress(FedjobsError):
        call()
