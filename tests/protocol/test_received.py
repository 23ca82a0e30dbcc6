"""Texts in messages of another party are printable from the moment at which the message is read."""

from __future__ import annotations

from fedjobs_protocol.received import LONGEST_TEXT, received
from fedjobs_protocol.v1 import hub_pb2, session_pb2

HOSTILE = 'a\n{"audit": true}\x1b[2J\u202e'
SHOWN = 'a\\n{"audit": true}\\x1b[2J\\u202e'


def test_texts_are_printable_at_every_depth() -> None:
    sent = session_pb2.PullWorkResponse(
        work=session_pb2.Work(
            work_id=HOSTILE,
            label=HOSTILE,
            shard=session_pb2.Blob(digest=b"\x00\n", inline=b"\x1b\n"),
            client_inputs=[session_pb2.ClientInput(selection=session_pb2.Selection(dataset=HOSTILE, seed=7))],
        )
    )
    read = received(session_pb2.PullWorkResponse)(sent.SerializeToString())
    assert read.work.label == read.work.work_id == SHOWN
    assert read.work.client_inputs[0].selection.dataset == SHOWN
    assert read.work.client_inputs[0].selection.seed == 7
    assert read.work.shard == sent.work.shard  # bytes are not texts


def test_texts_of_lists_and_maps_are_printable() -> None:
    offer = session_pb2.Offer(shards=[session_pb2.OfferedShard(label=HOSTILE, datasets=["digits", HOSTILE])])
    read = received(session_pb2.Offer)(offer.SerializeToString())
    assert [*read.shards[0].datasets] == ["digits", SHOWN]
    announced = hub_pb2.AnnounceRequest(versions={HOSTILE: HOSTILE, "fedjobs": "1"}, agent_id="x" * 10**6)
    other = received(hub_pb2.AnnounceRequest)(announced.SerializeToString())
    assert dict(other.versions) == {SHOWN: SHOWN, "fedjobs": "1"}
    assert len(other.agent_id) < LONGEST_TEXT + 100


def test_printable_messages_are_unchanged() -> None:
    sent = session_pb2.JoinRequest(
        protocol_versions=[1, 2], fedjobs_version="1.0", decline=session_pb2.Decline(rule="policy.minClients")
    )
    assert received(session_pb2.JoinRequest)(sent.SerializeToString()) == sent
    tag = hub_pb2.PullInvitationsResponse(tag="t", invitations=[b"{\n}"])
    assert received(hub_pb2.PullInvitationsResponse)(tag.SerializeToString()) == tag
