"""Consent of silos: they are asked before they get work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fedjobs_common import digests
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.sessions.consents import OFFERED_AGAIN_S, Consents, Offered, scope_of
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import ALICE, BOB, JOIN, JOIN_2, WORK, Desk, an_assignment, peer
from .sites import OFFERED, SHARD

RAW = digests.raw(SHARD)
APPROVED = pb.ShardConsent(shard=RAW, approved=pb.Approved())
REFUSED = pb.ShardConsent(shard=RAW, refused=pb.Refusal(rule="policy.computations.digests", message="unknown"))


def awaiting(seconds: float = 100) -> pb.ShardConsent:
    return pb.ShardConsent(shard=RAW, awaiting=pb.Awaiting(rule="approval", message="a person", seconds_left=seconds))


async def _pull(desk: Desk, silo: SiloName, session_id: str) -> pb.PullWorkResponse:
    return await desk.sessions.pull_work(peer(silo), pb.PullWorkRequest(session_id=session_id))


async def _answer(desk: Desk, silo: SiloName, session_id: str, *consents: pb.ShardConsent) -> None:
    await desk.sessions.consent(peer(silo), pb.ConsentRequest(session_id=session_id, consents=consents))


def test_an_offer_is_repeated_until_it_is_answered_and_comes_before_work(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        desk.assign(an_assignment(ALICE))
        for _ in range(2):
            (offered,) = (await _pull(desk, ALICE, session_id)).offer.shards
            assert (offered.shard.digest, offered.label, list(offered.datasets)) == (RAW, "sum", ["digits"])
        await _answer(desk, ALICE, session_id, APPROVED)
        assert (await _pull(desk, ALICE, session_id)).work.work_id == WORK

    asyncio.run(calls())


def test_an_offer_wakes_a_silo_that_waits_for_work(desk: Desk) -> None:
    desk.sessions._poll_s = 30

    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        waiting = asyncio.create_task(_pull(desk, ALICE, session_id))
        await asyncio.sleep(0)
        desk.sessions.offer([OFFERED])
        assert (await asyncio.wait_for(waiting, 5)).WhichOneof("next") == "offer"

    asyncio.run(calls())


def test_a_silo_of_version_1_gets_no_offers_and_consents_by_working(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN)
        desk.sessions.offer([OFFERED])
        assert (await _pull(desk, ALICE, session_id)).WhichOneof("next") is None
        assert desk.consents.standing(SHARD).consented == {ALICE}

    asyncio.run(calls())


@pytest.mark.parametrize(
    ("consent", "state", "reason"),
    [
        (APPROVED, SiloState.READY, ""),
        (awaiting(), SiloState.AWAITING_APPROVAL, "approval"),
        (REFUSED, SiloState.REFUSED, "policy.computations.digests"),
    ],
)
def test_an_answer_is_in_the_silos_status(desk: Desk, consent: pb.ShardConsent, state: SiloState, reason: str) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, consent)

    asyncio.run(calls())
    row = desk.roster.rows()[0]
    assert (row.state, row.reason) == (state, reason)


def test_a_silo_that_consents_after_an_approval_is_ready_without_a_reason(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, awaiting())
        assert desk.consents.standing(SHARD).awaiting == {ALICE}
        await _answer(desk, ALICE, session_id, APPROVED)
        assert desk.consents.standing(SHARD).consented == {ALICE}

    asyncio.run(calls())
    row = desk.roster.rows()[0]
    assert (row.state, row.reason, row.message) == (SiloState.READY, "", "")


@pytest.mark.parametrize(("consent", "asked_again"), [(APPROVED, False), (awaiting(), True), (REFUSED, True)])
def test_a_new_session_gets_the_offers_again_that_were_not_approved(
    desk: Desk, consent: pb.ShardConsent, asked_again: bool
) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, consent)
        session_id = await desk.join(ALICE, JOIN_2)
        assert (await _pull(desk, ALICE, session_id)).HasField("offer") is asked_again

    asyncio.run(calls())


@pytest.mark.parametrize(("seconds", "elapsed", "waits"), [(100, 99, True), (100, 101, False), (float("nan"), 1, True)])
def test_a_silo_that_waits_longer_than_announced_counts_as_refused(seconds: float, elapsed: float, waits: bool) -> None:
    now = 0.0
    consents = Consents(lambda: now)
    consents.joined(ALICE, asked=True)
    consents.offer(OFFERED)
    consents.answered(ALICE, awaiting(seconds))
    now = elapsed
    standing = consents.standing(SHARD)
    assert (standing.awaiting, standing.refused) == (({ALICE}, set()) if waits else (set(), {ALICE}))


@pytest.mark.parametrize(("said", "state"), [(APPROVED, SiloState.READY), (REFUSED, SiloState.REFUSED)])
def test_an_outdated_answer_does_not_undo_a_decision(desk: Desk, said: pb.ShardConsent, state: SiloState) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, said)
        before = desk.consents.standing(SHARD)
        assert ALICE in before.consented | before.refused
        await _answer(desk, ALICE, session_id, awaiting())
        assert desk.consents.standing(SHARD) == before

    asyncio.run(calls())
    assert desk.state(ALICE) is state


def test_a_silo_that_refused_may_wait_for_approval_in_a_new_session(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, REFUSED)
        await _answer(desk, ALICE, await desk.join(ALICE, JOIN_2), awaiting())
        assert desk.consents.standing(SHARD).awaiting == {ALICE}

    asyncio.run(calls())


def test_consent_to_a_shard_that_was_not_offered_is_ignored(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        await _answer(desk, ALICE, session_id, REFUSED, pb.ShardConsent(), pb.ShardConsent(shard=b"short"))

    asyncio.run(calls())
    assert desk.state(ALICE) is SiloState.READY


def test_a_large_shard_is_readable_by_the_silos_that_got_the_offer(desk: Desk, tmp_path: Path) -> None:
    writer = desk.store.writer()
    writer.write(b"x" * 100_000)
    blob = writer.finish()
    raw = digests.raw(blob.digest)

    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        old = await desk.join(BOB, JOIN)
        desk.sessions.offer([Offered(pb.OfferedShard(shard=pb.Blob(digest=raw, size=blob.size)), blob)])
        request = pb.FetchBlobRequest(session_id=session_id, digest=raw)
        assert (await desk.sessions.open_blob(peer(ALICE), request)).size == 100_000
        with pytest.raises(Exception, match="no access"):
            await desk.sessions.open_blob(peer(BOB), pb.FetchBlobRequest(session_id=old, digest=raw))

    asyncio.run(calls())


def test_the_number_of_stored_offers_is_limited() -> None:
    consents = Consents(lambda: 0.0)
    consents.joined(ALICE, asked=True)
    for number in range(1000):
        consents.offer(Offered(pb.OfferedShard(shard=pb.Blob(digest=number.to_bytes(32, "big")))))
    assert len(consents.unanswered(ALICE)) <= 64


def test_a_plan_that_shares_a_shard_with_an_old_plan_keeps_all_its_offers() -> None:
    consents = Consents(lambda: 0.0)
    offers = [Offered(pb.OfferedShard(shard=pb.Blob(digest=number.to_bytes(32, "big")))) for number in range(100)]
    for offered in offers[:64]:
        consents.offer(offered)
    plan = [offers[0], offers[99]]  # the first one is the oldest of all
    for offered in plan:
        consents.offer(offered)
    assert all(consents.is_offered(offered.scope) for offered in plan)


def test_a_shard_on_other_datasets_is_another_offer(desk: Desk) -> None:
    """A silo may allow a computation on one dataset only. Its answers do not mix, and a later approval counts."""
    offers = []
    for dataset in ("digits", "patients"):
        message = pb.OfferedShard(shard=OFFERED.message.shard, label="sum", datasets=[dataset], clients=dataset)
        message.scope = scope_of(OFFERED.digest, message)
        offers.append(Offered(message))
    first, second = (offered.scope for offered in offers)
    waits = awaiting()
    waits.scope = second

    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer(offers[:1])
        await _answer(desk, ALICE, session_id, pb.ShardConsent(shard=RAW, scope=first, approved=pb.Approved()))
        assert not desk.consents.is_offered(second)
        desk.sessions.offer(offers[1:])
        (offered,) = (await _pull(desk, ALICE, session_id)).offer.shards
        assert list(offered.datasets) == ["patients"]
        await _answer(desk, ALICE, session_id, waits)
        assert desk.consents.standing(first).consented == {ALICE}
        assert desk.consents.standing(second).awaiting == {ALICE}
        assert desk.consents.standing_of_all([first, second]).consented == frozenset()
        await _answer(desk, ALICE, session_id, pb.ShardConsent(shard=RAW, scope=second, approved=pb.Approved()))
        assert desk.consents.standing_of_all([first, second]).consented == {ALICE}


@pytest.mark.parametrize("rule", ["RunnerFailed", "DataNotFound", "policy.limits.uploadBytesPerDay"])
def test_an_offer_that_was_refused_for_a_cause_that_can_pass_is_repeated_later(desk: Desk, rule: str) -> None:
    for_now = pb.ShardConsent(shard=RAW, refused=pb.Refusal(rule=rule, message="not now"))

    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, for_now)
        assert (desk.state(ALICE), desk.roster.rows()[0].reason) == (SiloState.READY, rule)
        standing = desk.consents.standing(SHARD)
        assert not standing.refused | standing.consented  # rounds wait for it
        desk.time = OFFERED_AGAIN_S
        assert (await _pull(desk, ALICE, session_id)).WhichOneof("next") is None
        desk.time = OFFERED_AGAIN_S + 1
        assert (await _pull(desk, ALICE, session_id)).WhichOneof("next") == "offer"
        await _answer(desk, ALICE, session_id, awaiting())
        await _answer(desk, ALICE, session_id, APPROVED)
        assert desk.consents.standing(SHARD).consented == {ALICE}

    asyncio.run(calls())


def test_an_offer_that_was_refused_by_the_policy_is_not_repeated(desk: Desk) -> None:
    async def calls() -> None:
        session_id = await desk.join(ALICE, JOIN_2)
        desk.sessions.offer([OFFERED])
        await _answer(desk, ALICE, session_id, REFUSED)
        desk.time = 1e6
        assert (await _pull(desk, ALICE, session_id)).WhichOneof("next") is None
        assert desk.consents.standing(SHARD).refused == {ALICE}

    asyncio.run(calls())
