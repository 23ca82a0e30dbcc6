"""Silos that the federation suspends or deletes while a job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.outcomes import Failure, Retry
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.v1 import report_pb2
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import ALICE, BOB, JOIN, Desk, an_assignment, peer

SUSPENDED = Exclusion(ALICE, ErrorCode.SILO_SUSPENDED, "The federation has suspended the silo alice.")


def refusal(call: object) -> ErrorCode:
    with pytest.raises(FedjobsError) as raised:
        asyncio.run(call)  # type: ignore[arg-type]
    return raised.value.code


def exclude(desk: Desk, exclusions: Sequence[Exclusion] = (SUSPENDED,)) -> None:
    desk.sessions.exclude(exclusions)


def test_an_excluded_silo_cannot_make_calls(desk: Desk) -> None:
    session = asyncio.run(desk.join(ALICE))
    desk.assign(an_assignment(ALICE))
    exclude(desk)
    work_id = an_assignment(ALICE).work_id
    for call in (
        lambda: desk.sessions.join(peer(ALICE), JOIN),
        lambda: desk.sessions.pull_work(peer(ALICE), pb.PullWorkRequest(session_id=session)),
        lambda: desk.sessions.heartbeat(peer(ALICE), pb.HeartbeatRequest(session_id=session)),
        lambda: desk.sessions.open_blob(peer(ALICE), pb.FetchBlobRequest(session_id=session)),
        lambda: desk.sessions.open_upload(peer(ALICE), pb.PutBlobHeader(session_id=session, work_id=work_id)),
    ):
        assert refusal(call()) is ErrorCode.SILO_SUSPENDED
    assert desk.state(ALICE) is SiloState.DECLINED


def test_a_waiting_poll_ends_immediately(desk: Desk) -> None:
    async def polled() -> None:
        session = await desk.join(ALICE)
        poll = asyncio.create_task(desk.sessions.pull_work(peer(ALICE), pb.PullWorkRequest(session_id=session)))
        await asyncio.sleep(0)
        exclude(desk)
        await poll

    assert refusal(polled()) is ErrorCode.SILO_SUSPENDED


def test_a_running_transfer_ends(desk: Desk) -> None:
    asyncio.run(desk.join(ALICE))
    exclude(desk)
    with pytest.raises(FedjobsError):
        desk.sessions.transferred(peer(ALICE), up=1)
    desk.sessions.transferred(peer(BOB), up=1)


def test_its_work_is_not_waited_for_and_its_reports_are_not_used(desk: Desk) -> None:
    asyncio.run(desk.join(ALICE))
    assignment = desk.assign(an_assignment(ALICE))
    exclude(desk)
    failure = Failure("SiloSuspended", SUSPENDED.message)
    assert assignment.outcomes.received() == {ALICE: failure}
    assert failure.retry is Retry.LATER  # the silo has not refused the work, and may do it after its return
    late = desk.assign(an_assignment(ALICE))
    assert late.outcomes.received() == {ALICE: failure}


def test_it_gets_no_work_until_it_is_back_and_may_come_back(desk: Desk) -> None:
    asyncio.run(desk.join(ALICE))
    exclude(desk)
    assert (desk.roster.ready(), desk.roster.unwilling()) == ([], [])
    assert ALICE not in desk.roster.awaited()
    row = next(row for row in desk.roster.rows() if row.name == ALICE)
    assert (row.reason, row.message) == ("SiloSuspended", SUSPENDED.message)
    exclude(desk, ())
    assert (desk.state(ALICE), desk.roster.unwilling()) == (SiloState.INVITED, [])
    asyncio.run(desk.join(ALICE))
    assert desk.roster.ready() == [ALICE]


def test_a_silo_that_the_federation_deleted_does_not_take_part_any_more(desk: Desk) -> None:
    exclude(desk, [Exclusion(ALICE, ErrorCode.SILO_NOT_FOUND, "It is gone.")])
    assert desk.roster.unwilling() == [ALICE]


def test_a_silo_that_declined_itself_stays_declined_when_it_is_readmitted(desk: Desk) -> None:
    desk.roster.declined(ALICE, "policy.requesters", "No.")
    exclude(desk)
    exclude(desk, ())
    assert desk.state(ALICE) is SiloState.DECLINED


def test_the_same_list_again_changes_nothing(desk: Desk) -> None:
    exclude(desk)
    told = list(desk.events)
    exclude(desk)
    assert desk.events == told


def test_exclusions_do_not_affect_other_silos(desk: Desk) -> None:
    asyncio.run(desk.join(BOB))
    exclude(desk, [SUSPENDED, Exclusion("mallory", ErrorCode.SILO_NOT_FOUND, "It is gone.")])
    assert desk.roster.ready() == [BOB]


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("SiloSuspended", ErrorCode.SILO_SUSPENDED),
        ("SiloNotFound", ErrorCode.SILO_NOT_FOUND),
        ("DiskFull", ErrorCode.SILO_SUSPENDED),
        ("OfALaterVersion", ErrorCode.SILO_SUSPENDED),
    ],
)
def test_an_unknown_code_of_an_exclusion_is_replaced(code: str, read: ErrorCode) -> None:
    message = report_pb2.Exclusion(silo="alice", code=code, message="Out.")
    assert Exclusion.from_message(message) == Exclusion("alice", read, "Out.")
    assert Exclusion.from_message(SUSPENDED.to_message()) == SUSPENDED
