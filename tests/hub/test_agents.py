"""Agents of silos with a real hub: who may call, two agents of one silo, and silos that are suspended or deleted."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from fedjobs_common.errors import ErrorCode, from_grpc
from fedjobs_protocol.hub.hub_client import HubClient
from fedjobs_protocol.identities import identities, keys
from fedjobs_protocol.identities.certificates import Issuer, Purpose
from fedjobs_protocol.identities.channels import open_channel, open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.v1 import hub_pb2 as pb

from tests.cluster.readiness import wait_until
from tests.hub.announcements import an_announcement
from tests.hub.calls import call
from tests.hub.hubs import Federation
from tests.hub.refusals import code, refusal


def enrol_and_announce(federation: Federation, name: str) -> Identity:
    """Enrols a silo and announces its agent, agent-1."""
    identity = federation.enrolled(name)
    with federation.hub_client(identity) as hub:
        hub.announce(an_announcement("agent-1"))
    return identity


def test_an_agents_announcement_is_in_the_silos_status(federation: Federation) -> None:
    enrol_and_announce(federation, "talkative")
    federation.wait_for("talkative", "Connected", "True", "AgentConnected")
    status = federation.status("talkative")
    assert status["datasets"] == ["digits"]
    assert status["schemas"] == [{"name": "digits", "features": ["x: float32[64]"]}]
    assert status["capacity"] == {"cpus": 4, "gpus": 1}
    assert status["versions"] == {"fedjobs": "0.1.0"}
    assert datetime.datetime.fromisoformat(status["lastHeartbeatTime"]) <= datetime.datetime.now(datetime.UTC)
    assert federation.condition("talkative", "Enrolled") == ("True", "Enrolled")


def test_an_agent_without_a_common_protocol_version_is_refused(federation: Federation) -> None:
    with federation.hub_client(federation.enrolled("too-new")) as hub:
        refused = refusal(lambda: hub.announce(pb.AnnounceRequest(agent_id="a", protocol_versions=[99])))
    assert refused.code is ErrorCode.VERSION_MISMATCH
    assert "99" in refused.message


def test_the_anchor_of_a_silos_audit_log_is_in_its_status(federation: Federation) -> None:
    identity = enrol_and_announce(federation, "audited")
    anchor = f"{'ab' * 32}:7"
    with federation.hub_client(identity) as hub:
        hub.pull_invitations("agent-1", "", "no anchor")
        assert "auditAnchor" not in federation.status("audited")
        hub.pull_invitations("agent-1", "", anchor)
    assert federation.status("audited")["auditAnchor"] == anchor


def test_an_agent_announces_itself_before_it_polls(federation: Federation) -> None:
    with federation.hub_client(federation.enrolled("hasty")) as hub:
        assert code(lambda: hub.pull_invitations("agent-1", "")) is ErrorCode.SESSION_NOT_FOUND
        assert code(lambda: hub.announce(an_announcement(""))) is ErrorCode.SESSION_NOT_FOUND


def test_a_newer_agent_replaces_the_older_whose_poll_fails_with_the_reason(federation: Federation) -> None:
    identity = enrol_and_announce(federation, "twofold")
    with (
        federation.hub_client(identity) as older,
        federation.hub_client(identity) as newer,
        ThreadPoolExecutor() as pool,
    ):
        tag = older.pull_invitations("agent-1", "").tag
        waiting = pool.submit(older.pull_invitations, "agent-1", tag)
        newer.announce(an_announcement("agent-2"))
        refused = refusal(lambda: waiting.result(20))
        assert refused.code is ErrorCode.SESSION_SUPERSEDED
        assert "Another agent of silo twofold, agent-2, announced itself" in refused.message
        assert newer.pull_invitations("agent-2", "").tag == tag
        assert code(lambda: older.pull_invitations("agent-1", "")) is ErrorCode.SESSION_SUPERSEDED


def test_a_poll_ends_when_an_invitation_begins_or_ends(federation: Federation) -> None:
    identity = enrol_and_announce(federation, "waiting")
    with federation.hub_client(identity) as hub, ThreadPoolExecutor() as pool:
        none = hub.pull_invitations("agent-1", "")
        poll = pool.submit(hub.pull_invitations, "agent-1", none.tag)
        uid = federation.job(["waiting", "somebody-else"], "awaited")
        one = poll.result(20)
        assert [each.job_uid for each in one.invitations] == [uid]
        poll = pool.submit(hub.pull_invitations, "agent-1", one.tag)
        federation.invite("awaited", uid, [])
        assert poll.result(20) == none


@pytest.mark.parametrize("how", ["suspended", "deleted"])
def test_a_suspended_or_deleted_silo_is_refused_in_its_poll_and_from_then_on(federation: Federation, how: str) -> None:
    name = f"to-be-{how}"
    identity = enrol_and_announce(federation, name)
    expected = {"suspended": ErrorCode.SILO_SUSPENDED, "deleted": ErrorCode.SILO_NOT_FOUND}[how]
    with federation.hub_client(identity) as hub, ThreadPoolExecutor() as pool:
        tag = hub.pull_invitations("agent-1", "").tag
        poll = pool.submit(hub.pull_invitations, "agent-1", tag)
        if how == "suspended":
            federation.suspend(name)
        else:
            federation.server.kubectl("delete", "silo", name)
        assert code(lambda: poll.result(20)) is expected
        assert code(lambda: hub.renew(identity)) is expected
        assert code(lambda: hub.announce(an_announcement("agent-1"))) is expected
    if how == "suspended":
        federation.wait_for(name, "Connected", "False", "Suspended")
        federation.suspend(name, suspend=False)
        federation.wait_for(name, "Connected", "True", "AgentConnected")
        with federation.hub_client(identity) as hub:
            assert hub.pull_invitations("agent-1", "").tag == tag


def test_a_silo_has_a_limited_number_of_concurrent_polls(federation: Federation) -> None:
    identity = enrol_and_announce(federation, "greedy")
    with federation.hub_client(identity) as hub, ThreadPoolExecutor(8) as pool:
        tag = hub.pull_invitations("agent-1", "").tag
        polls = [pool.submit(hub.pull_invitations, "agent-1", tag) for _ in range(6)]
        wait_until("the hub refuses two polls", lambda: sum(poll.done() for poll in polls) == 2, seconds=20)
        refused = [poll for poll in polls if poll.done()]
        assert {code(poll.result) for poll in refused} == {ErrorCode.TOO_MANY_REQUESTS}
        federation.suspend("greedy")
        assert {code(lambda poll=poll: poll.result(20)) for poll in polls if poll not in refused} == {  # type: ignore[misc]
            ErrorCode.SILO_SUSPENDED
        }


def test_a_renewal_is_for_the_same_key(federation: Federation) -> None:
    identity = enrol_and_announce(federation, "constant")
    with open_channel(federation.hub.address, federation.front_door, identity) as channel:
        request = pb.RenewRequest(csr=keys.signing_request(keys.create()))
        assert code(lambda: call(channel, "/fedjobs.v1.Hub/Renew", request)) is ErrorCode.INVALID_CERTIFICATE_REQUEST


def test_a_message_or_a_header_that_is_too_large_is_refused_and_the_next_call_is_answered(
    federation: Federation,
) -> None:
    identity = enrol_and_announce(federation, "verbose")
    with open_channel(federation.hub.address, federation.front_door, identity) as channel:
        renew = channel.unary_unary("/fedjobs.v1.Hub/Renew")
        request = pb.RenewRequest(csr=keys.signing_request(identity.key)).SerializeToString()
        for message, headers in ((b"x" * 300_000, ()), (request, (("x-padding", "x" * 60_000),))):
            with pytest.raises(grpc.RpcError) as failed:
                renew(message, metadata=headers, timeout=20)
            assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert pb.Issued.FromString(renew(request, timeout=20)).certificate


def test_a_certificate_of_another_federation_fails_the_handshake(federation: Federation) -> None:
    other = Issuer.create("fedjobs silos of another federation", Purpose.CLIENT)
    certificate, key = other.issue("talkative", uri=identities.agent_uri("talkative"))
    stranger = Identity(certificate, key, federation.servers_trust)
    with (
        open_channel(federation.hub.address, federation.front_door, stranger) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        channel.unary_unary("/fedjobs.v1.Hub/Renew")(b"", timeout=5)
    assert from_grpc(failed.value).code is ErrorCode.UNAVAILABLE


def test_the_hubs_calls_need_a_certificate(federation: Federation) -> None:
    with open_enrolment_channel(federation.hub.address, federation.front_door, federation.servers_trust) as channel:
        refused = refusal(lambda: call(channel, "/fedjobs.v1.Hub/Renew", pb.RenewRequest(), 5))
        assert refused.code is ErrorCode.UNAVAILABLE
    name = identities.enrolment_name(federation.front_door)
    with open_enrolment_channel(federation.hub.enrolment_address, name, federation.servers_trust) as channel:
        refused = refusal(lambda: call(channel, "/fedjobs.v1.Hub/Renew", pb.RenewRequest()))
        assert "UNIMPLEMENTED" in refused.message


def test_certificates_of_operator_and_coordinators_are_not_accepted_as_a_silos(federation: Federation) -> None:
    token = federation.pod_token(account="fedjobs")
    with federation.enrolment() as client:
        operator = client.issue_operator(token, keys.create())
    with federation.hub_client(operator) as hub:
        assert code(lambda: hub.renew(operator)) is ErrorCode.INVALID_CERTIFICATE
    federation.job([], "no-silo")
    with federation.enrolment() as client:
        coordinator = client.issue_coordinator(federation.coordinator_token("no-silo"), keys.create())
    as_client = Identity(coordinator.certificate, coordinator.key, federation.servers_trust)
    with open_channel(federation.hub.address, federation.front_door, as_client) as channel:
        assert code(lambda: HubClient(channel).renew(as_client)) is ErrorCode.UNAVAILABLE


def test_polls_of_many_silos_wait_concurrently(federation: Federation) -> None:
    names = [f"one-of-many-{number}" for number in range(6)]
    identities_of = [enrol_and_announce(federation, name) for name in names]
    started = threading.Barrier(len(names) + 1)

    def poll(identity: Identity) -> int:
        with federation.hub_client(identity) as hub:
            tag = hub.pull_invitations("agent-1", "").tag
            started.wait(60)
            return len(hub.pull_invitations("agent-1", tag).invitations)

    with ThreadPoolExecutor(len(names)) as pool:
        polls = [pool.submit(poll, identity) for identity in identities_of]
        started.wait(60)
        federation.job(names, "for-all")
        assert [each.result(30) for each in polls] == [1] * len(names)
