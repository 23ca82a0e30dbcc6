"""A hostile silo changes its mind without end. Each change could be written to the coordinator's disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Generation
from fedjobs_common.jobs.statuses import Phase, SiloState
from fedjobs_coordinator.status.progress import Progress
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.coordinator.builders import ALICE, BOB, JOIN_2, Desk, a_decline, a_job, peer
from tests.coordinator.sites import OFFERED

DAY = 24 * 3600.0


def _refusal(message: str) -> pb.ShardConsent:
    return pb.ShardConsent(shard=OFFERED.message.shard.digest, refused=pb.Refusal(rule="policy", message=message))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    progress = Progress(tmp_path, a_job(), Generation(1))
    progress.follow(desk.roster)
    desk.roster._changed = progress.silo
    desk.sessions.offer([OFFERED])
    return desk


def _written(desk: Desk) -> int:
    return len((desk.folder / "progress.jsonl").read_text().splitlines())


def test_a_silo_that_changes_its_answer_without_end_writes_little(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        for number in range(300):
            request = pb.ConsentRequest(session_id=session_id, consents=[_refusal(str(number))])
            await desk.sessions.consent(peer(ALICE), request)
        before = _written(desk)
        assert before <= 100
        assert desk.roster.rows()[0].message == "299"  # the status is current
        desk.time += DAY
        for number in range(300):
            await desk.sessions.join(peer(ALICE), a_hindrance(str(number)))
            await desk.join(ALICE, JOIN_2)
            request = pb.ConsentRequest(session_id=await desk.join(ALICE, JOIN_2), consents=[_refusal(str(number))])
            await desk.sessions.consent(peer(ALICE), request)
        assert _written(desk) - before <= 100
        bobs = _written(desk)
        await desk.sessions.join(peer(BOB), a_decline())
        assert _written(desk) == bobs + 1

    asyncio.run(calls())
    assert [row.state for row in desk.roster.rows()] == [SiloState.REFUSED, SiloState.DECLINED]


def a_hindrance(message: str) -> pb.JoinRequest:
    decline = pb.Decline(rule="cluster", message=message)
    return pb.JoinRequest(protocol_versions=[2], shard_formats=[1], decline=decline)


def test_more_answers_than_offers_are_refused(desk: Desk) -> None:
    """A message has room for 300,000 of them, which would block the coordinator for minutes."""

    async def calls() -> None:
        request = pb.ConsentRequest(session_id=await desk.join(ALICE, JOIN_2))
        request.consents.extend([_refusal(str(number)) for number in range(1000)])
        with pytest.raises(FedjobsError) as refused:
            await desk.sessions.consent(peer(ALICE), request)
        assert refused.value.code is ErrorCode.REQUEST_MALFORMED

    asyncio.run(calls())
    assert desk.state(ALICE) is SiloState.READY


def test_a_coordinator_that_waits_for_silos_that_come_and_go_writes_little(tmp_path: Path) -> None:
    progress = Progress(tmp_path, a_job(), Generation(1))
    for number in range(1000):
        progress.phase(Phase.WAITING_FOR_SILOS, f"{number % 2} of 2 silos are ready")
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) <= 110
    progress.phase(Phase.WAITING_FOR_SILOS, "the last one")
    assert progress.status.message == "the last one"
    progress.phase(Phase.RUNNING)
    assert "Running" in (tmp_path / "progress.jsonl").read_text().splitlines()[-1]
