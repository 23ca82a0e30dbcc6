"""Joining and declining, and that silos cannot use each other's sessions."""

from __future__ import annotations

import asyncio

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.outcomes import Retry
from fedjobs_coordinator.sessions.sessions import INLINE_LIMIT
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import (
    ALICE,
    BOB,
    JOIN,
    Desk,
    a_decline,
    a_result,
    an_assignment,
    failure,
    peer,
)


def _hindered() -> pb.JoinRequest:
    return pb.JoinRequest(
        protocol_versions=[1], shard_formats=[1], decline=pb.Decline(rule="cluster", message="no image")
    )


def test_a_silo_gets_what_it_needs(desk: Desk) -> None:
    answer = asyncio.run(desk.sessions.join(peer(ALICE), JOIN))
    assert (answer.generation, answer.inline_limit) == (3, INLINE_LIMIT)
    assert 0 < answer.heartbeat_seconds < 10
    assert desk.state(ALICE) is SiloState.READY


def test_a_silo_that_is_not_invited_is_refused(desk: Desk) -> None:
    with pytest.raises(FedjobsError, match="mallory") as raised:
        asyncio.run(desk.join(SiloName("mallory")))
    assert raised.value.code is ErrorCode.NOT_INVITED


def test_a_silo_that_saw_a_later_coordinator_does_not_work_for_this_one(desk: Desk) -> None:
    with pytest.raises(FedjobsError, match="generation 4") as raised:
        asyncio.run(desk.join(ALICE, pb.JoinRequest(protocol_versions=[1], shard_formats=[1], highest_generation=4)))
    assert raised.value.code is ErrorCode.STALE_COORDINATOR
    assert desk.state(ALICE) is SiloState.INVITED


def test_a_silo_that_declines_during_its_work_is_not_waited_for(desk: Desk) -> None:
    async def calls() -> None:
        await desk.join(ALICE)
        assignment = desk.assign(an_assignment(ALICE))
        await desk.join(ALICE, a_decline())
        assert failure(assignment).reason == "requesters"
        assert failure(assignment).retry is Retry.NEVER
        answer = await desk.report(ALICE, a_result())
        assert answer.WhichOneof("next") is None
        assert desk.state(ALICE) is SiloState.DECLINED

    asyncio.run(calls())


def test_a_thousand_joins_and_declines_leave_one_session_and_few_events(desk: Desk) -> None:
    async def calls() -> None:
        sessions = {await desk.join(ALICE) for _ in range(1000)}
        assert len(sessions) == 1000
        for number in range(1000):
            await desk.join(ALICE, a_decline(f"reason {number}"))
        for session_id in sessions:
            with pytest.raises(FedjobsError):
                await desk.sessions.heartbeat(peer(ALICE), pb.HeartbeatRequest(session_id=session_id))

    asyncio.run(calls())
    assert [event[1] for event in desk.events] == [SiloState.READY, SiloState.DECLINED]


def test_a_silo_whose_cluster_starts_no_worker_is_waited_for_and_has_a_reason(desk: Desk) -> None:
    async def calls() -> None:
        await desk.join(ALICE, _hindered())
        (row,) = [row for row in desk.roster.rows() if row.name == ALICE]
        assert (row.state, row.reason, row.message) == (SiloState.INVITED, "cluster", "no image")
        assert ALICE in desk.roster.awaited()
        await desk.join(ALICE)
        (row,) = [row for row in desk.roster.rows() if row.name == ALICE]
        assert (row.state, row.reason, row.message) == (SiloState.READY, "", "")

    asyncio.run(calls())


def test_a_late_hindrance_of_a_running_worker_ends_no_session(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE)
        await desk.join(ALICE, _hindered())
        await desk.sessions.heartbeat(peer(ALICE), pb.HeartbeatRequest(session_id=session_id))
        assert desk.state(ALICE) is SiloState.READY

    asyncio.run(calls())


def test_a_silo_tells_the_smallest_cohort_that_its_policy_allows(desk: Desk) -> None:
    request = pb.JoinRequest(min_cohort_size=3)
    request.MergeFrom(JOIN)
    asyncio.run(desk.join(ALICE, request))
    asyncio.run(desk.join(BOB))
    assert desk.roster.cohort_sizes() == {ALICE: 3, BOB: 1}


def test_nobody_can_use_the_session_of_another(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE)
        await desk.join(BOB)
        for silo in (BOB, SiloName("mallory")):
            with pytest.raises(FedjobsError) as raised:
                await desk.sessions.heartbeat(peer(silo), pb.HeartbeatRequest(session_id=session_id))
            assert raised.value.code in (ErrorCode.SESSION_NOT_FOUND, ErrorCode.NOT_INVITED)

    asyncio.run(calls())
