"""Behavior of the coordinator's sessions beyond the contract: outcomes, and silos that break the rules."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.outcomes import Retry
from fedjobs_coordinator.sessions.held_work import FIRST_S
from fedjobs_protocol.transfers import layouts
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import (
    ALICE,
    BOB,
    FRAMED,
    WORK,
    Desk,
    a_decline,
    a_result,
    an_assignment,
    failure,
    outcome,
    peer,
    taken,
)

# --- polls


def test_a_newer_poll_of_the_same_session_gets_the_work(desk: Desk) -> None:
    """The connection of the older poll may be broken without the coordinator's knowledge."""
    desk.sessions._poll_s = 30

    async def calls() -> None:
        request = pb.PullWorkRequest(session_id=await desk.join(ALICE))
        older = asyncio.create_task(desk.sessions.pull_work(peer(ALICE), request))
        await asyncio.sleep(0)
        newer = asyncio.create_task(desk.sessions.pull_work(peer(ALICE), request))
        assert (await asyncio.wait_for(older, 5)).WhichOneof("next") is None
        desk.assign(an_assignment(ALICE))
        assert (await asyncio.wait_for(newer, 5)).work.work_id == WORK

    asyncio.run(calls())


def test_a_poll_of_a_superseded_session_ends_immediately(desk: Desk) -> None:
    desk.sessions._poll_s = 30

    async def calls() -> None:
        request = pb.PullWorkRequest(session_id=await desk.join(ALICE))
        older = asyncio.create_task(desk.sessions.pull_work(peer(ALICE), request))
        await asyncio.sleep(0)
        await desk.join(ALICE)
        with pytest.raises(FedjobsError) as raised:
            await asyncio.wait_for(older, 5)
        assert raised.value.code is ErrorCode.SESSION_SUPERSEDED

    asyncio.run(calls())


def test_the_end_of_the_job_is_sent_to_waiting_and_later_polls(desk: Desk) -> None:
    desk.sessions._poll_s = 30

    async def calls() -> None:
        request = pb.PullWorkRequest(session_id=await desk.join(ALICE))
        waiting = asyncio.create_task(desk.sessions.pull_work(peer(ALICE), request))
        await asyncio.sleep(0)
        desk.sessions.end("Complete")
        assert (await asyncio.wait_for(waiting, 5)).over.outcome == "Complete"
        assert (await desk.sessions.pull_work(peer(ALICE), request)).over.outcome == "Complete"

    asyncio.run(calls())


def test_unneeded_work_is_cancelled_by_the_heartbeat(desk: Desk) -> None:
    async def calls() -> None:
        request = pb.HeartbeatRequest(session_id=await desk.join(ALICE), work_id=WORK, state="running")
        desk.assign(an_assignment(ALICE))
        assert not (await desk.sessions.heartbeat(peer(ALICE), request)).cancel
        desk.sessions.withdraw([WORK])
        assert (await desk.sessions.heartbeat(peer(ALICE), request)).cancel

    asyncio.run(calls())
    assert desk.roster.rows()[0].activity == "running"


# --- reports


def _with_header_of(size: int) -> bytes:
    """Returns the right accumulators after a header that takes too long to parse."""
    end = layouts.data_offset(FRAMED)
    return size.to_bytes(8, "little") + FRAMED[8:end].ljust(size) + FRAMED[end:]


def test_accumulators_after_a_slightly_padded_header_are_accepted(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(ALICE, a_result(_with_header_of(1000))))
    assert taken(assignment).clients == 2


def test_a_result_is_accepted_with_its_accumulators(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    answer = asyncio.run(desk.report(ALICE, a_result()))
    assert answer.acknowledged_work_id == WORK
    assert not answer.HasField("report_error")
    report = taken(assignment)
    assert (report.clients, report.device, report.digest) == (2, "cpu", digests.digest(FRAMED))
    assert report.path is not None
    assert report.path.read_bytes() == FRAMED


def test_finished_work_is_not_assigned_again(desk: Desk) -> None:
    desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(ALICE, a_result()))
    again = desk.assign(an_assignment(ALICE))
    assert taken(again).clients == 2


def test_a_result_without_clients_needs_no_accumulators(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(ALICE, pb.Report(work_id=WORK, result=pb.Result(clients=0))))
    assert taken(assignment).path is None


def test_a_result_of_another_number_of_clients_than_the_work_has_is_rejected(desk: Desk) -> None:
    assignment = an_assignment(ALICE)
    assignment.work.clients.given = 5
    desk.assign(assignment)
    answer = asyncio.run(desk.report(ALICE, a_result()))
    assert answer.report_error.code == ErrorCode.REPORT_MALFORMED.label
    assert "2 clients, but its work is for 5" in answer.report_error.message


@pytest.mark.parametrize(
    ("code", "retry", "state"),
    [
        ("SchemaMismatch", Retry.NEVER, SiloState.REFUSED),
        ("DataNotFound", Retry.LATER, SiloState.READY),
        ("RunnerFailed", Retry.LATER, SiloState.READY),
        ("ShardFailed", Retry.OTHER_INPUTS, SiloState.READY),
    ],
)
def test_a_failure_is_final_if_a_retry_cannot_help(desk: Desk, code: str, retry: Retry, state: SiloState) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(ALICE, pb.Report(work_id=WORK, failure=pb.Error(code=code, message="why"))))
    assert failure(assignment).retry is retry
    assert (failure(assignment).reason, failure(assignment).message) == (code, "why")
    assert desk.state(ALICE) is state


def test_a_refusal_names_its_rule(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(ALICE, pb.Report(work_id=WORK, refusal=pb.Refusal(rule="operations", message="no PyFunc"))))
    assert failure(assignment).reason == "operations"
    assert failure(assignment).retry is Retry.NEVER
    assert desk.state(ALICE) is SiloState.REFUSED


@pytest.mark.parametrize(
    "report",
    [
        pb.Report(work_id=WORK),
        a_result(b"garbage"),
        a_result(b""),
        a_result(frame([np.zeros(3, np.float32)]).tobytes()),
        a_result((1 << 20).to_bytes(8, "little") + b"{" * (1 << 20)),
        a_result(_with_header_of(100_000)),
        a_result(digest=digests.raw(digests.digest(b"never sent"))),
        a_result(digest=b"short"),
    ],
    ids=["no outcome", "garbage", "nothing", "other shape", "huge header", "padded header", "not sent", "no digest"],
)
def test_a_malformed_report_fails_the_silos_work_and_leaves_nothing_behind(desk: Desk, report: pb.Report) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    answer = asyncio.run(desk.report(ALICE, report))
    assert answer.report_error.code in ("ReportMalformed", "BlobNotFound")
    assert "alice" in answer.report_error.message
    assert failure(assignment).retry is Retry.OTHER_INPUTS
    assert desk.files() == []


def test_a_report_for_the_work_of_another_silo_does_nothing(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    asyncio.run(desk.report(BOB, a_result()))
    assert outcome(assignment) is None
    assert desk.files() == []


@pytest.mark.parametrize("work_id", ["", "../../etc/passwd", "/", "..", "\0", "x" * 100_000])
def test_a_path_as_the_name_of_work_is_unknown_work(desk: Desk, work_id: str) -> None:
    desk.assign(an_assignment(ALICE))

    async def calls() -> None:
        assert not (await desk.report(ALICE, a_result(work_id=work_id))).HasField("report_error")
        session_id = await desk.join(ALICE)
        with pytest.raises(FedjobsError) as raised:
            await desk.sessions.stat_blob(peer(ALICE), pb.StatBlobRequest(session_id=session_id, work_id=work_id))
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND
        with pytest.raises(FedjobsError) as raised:
            await desk.upload(ALICE, work_id=work_id)
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND
        assert len(raised.value.public) < 200

    asyncio.run(calls())
    assert desk.files() == []


def test_text_from_a_silo_is_truncated_and_has_no_control_characters(desk: Desk) -> None:
    loud = "\x1b[2J\r\n" + "x" * 1_000_000

    async def calls() -> None:
        session_id = await desk.join(ALICE)
        await desk.sessions.heartbeat(peer(ALICE), pb.HeartbeatRequest(session_id=session_id, state=loud))
        for number, report in enumerate(
            [
                pb.Report(refusal=pb.Refusal(rule=loud, message=loud)),
                pb.Report(failure=pb.Error(code=loud, message=loud)),
                pb.Report(result=pb.Result(device=loud)),
            ]
        ):
            report.work_id = f"{number:064x}"
            desk.assign(an_assignment(ALICE, report.work_id))  # type: ignore[arg-type]
            await desk.report(ALICE, report)
        await desk.join(BOB, a_decline(loud))

    asyncio.run(calls())
    texts = [t for row in desk.roster.rows() for t in (row.activity, row.reason, row.message, row.device)]
    texts += [text for event in desk.events for text in event[2:]]
    assert any(texts)
    assert all(len(text) <= 1000 and text.isprintable() for text in texts)


def test_a_poll_shows_that_a_silo_is_not_lost(desk: Desk) -> None:
    async def calls() -> None:
        request = pb.PullWorkRequest(session_id=await desk.join(ALICE))
        desk.time = 1000
        desk.roster.expire()
        assert desk.state(ALICE) is SiloState.LOST
        await desk.sessions.pull_work(peer(ALICE), request)
        assert desk.state(ALICE) is SiloState.READY

    asyncio.run(calls())


def test_a_silo_cannot_report_more_clients_than_a_status_can_store(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    report = a_result()
    report.result.clients = 2**64 - 1
    answer = asyncio.run(desk.report(ALICE, report))
    assert answer.report_error.code == ErrorCode.REPORT_MALFORMED.label
    assert "18446744073709551615 clients" in failure(assignment).message
    assert [row.clients for row in desk.roster.rows()] == [0, 0]


def test_work_whose_report_did_not_fit_on_the_disk_is_not_given_out_again_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = desk.assign(an_assignment(ALICE))

    def full(*_: object, **__: object) -> None:
        raise FedjobsError(ErrorCode.DISK_FULL, "The disk is full.")

    async def calls() -> None:
        request = pb.PullWorkRequest(session_id=await desk.join(ALICE))
        rejected = pb.PullWorkRequest(session_id=request.session_id, report=a_result())
        desk.sessions._poll_s = 0.01
        waits = []
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr("fedjobs_coordinator.aggregation.report_store.write_atomically", full)
                answer = await desk.sessions.pull_work(peer(ALICE), rejected)
            assert (answer.report_error.code, answer.report_error.retryable) == ("DiskFull", True)
            assert answer.WhichOneof("next") is None
            began = desk.time
            while (await desk.sessions.pull_work(peer(ALICE), request)).WhichOneof("next") is None:
                desk.time += FIRST_S / 4
            waits.append(desk.time - began)
        assert waits == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
        await desk.sessions.pull_work(peer(ALICE), rejected)

    asyncio.run(calls())
    assert taken(assignment).clients == 2


def test_heartbeats_and_transfers_are_progress_of_the_work(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))

    async def calls() -> None:
        session_id = await desk.join(ALICE)
        for desk.time, work_id, state in (
            (1.0, WORK, "running"),
            (2.0, WORK, "running"),
            (3.0, "", "idle"),
            (4.0, "ef" * 32, "sending"),
        ):
            request = pb.HeartbeatRequest(session_id=session_id, work_id=work_id, state=state)
            await desk.sessions.heartbeat(peer(ALICE), request)

    asyncio.run(calls())
    assert assignment.outcomes._progress == {ALICE: 1.0}
    desk.time = 5.0
    desk.sessions.transferred(peer(ALICE), up=100)
    desk.sessions.transferred(peer(BOB), up=100)
    assert assignment.outcomes._progress == {ALICE: 5.0}
