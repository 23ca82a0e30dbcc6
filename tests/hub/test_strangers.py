"""What strangers can do to a hub: idle connections, plain text, and invalid calls without limit."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from fedjobs_common import retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub.hub_client import EnrolmentClient
from fedjobs_protocol.hub.silo_tokens import SiloToken
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.channels import open_enrolment_channel
from fedjobs_protocol.identities.identities import Identity, enrolment_name
from fedjobs_protocol.v1 import hub_pb2 as pb

from tests.cluster.readiness import wait_until
from tests.hub.announcements import an_announcement
from tests.hub.calls import call_enrolment
from tests.hub.hubs import Federation
from tests.hub.refusals import code
from tests.protocol.strangers import silent_connections


def bad_enrolments(federation: Federation, count: int) -> Counter[ErrorCode]:
    found: Counter[ErrorCode] = Counter()
    key = keys.create()
    name = enrolment_name(federation.front_door)
    with open_enrolment_channel(federation.hub.enrolment_address, name, federation.servers_trust) as channel:
        client = EnrolmentClient(channel)
        for number in range(count):
            try:
                client.enrol("under-attack" if number % 2 else f"nobody-{number}", "x", key)
            except FedjobsError as error:
                found[error.code] += 1
    return found


def enrol_with_retries(federation: Federation, token: SiloToken) -> Identity:
    """Enrols a silo. Its agent retries as agents do."""
    key = keys.create()
    with federation.enrolment() as client:
        identity: Identity = retries.forever(longest_s=2)(lambda: client.enrol(token.silo, token.secret, key))
    return identity


def test_silos_do_not_notice_strangers(federation: Federation) -> None:
    identity = federation.enrolled("under-attack")
    federation.silo("under-attack-too")
    newcomer = federation.token("under-attack-too")
    with (
        federation.hub_client(identity) as hub,
        silent_connections(federation.hub.enrolment_address, 500),
        silent_connections(federation.hub.address, 100),
        ThreadPoolExecutor() as pool,
    ):
        hub.announce(an_announcement("agent-1"))
        tag = hub.pull_invitations("agent-1", "").tag
        poll = pool.submit(hub.pull_invitations, "agent-1", tag)
        attacks = [pool.submit(bad_enrolments, federation, 2500) for _ in range(4)]
        assert enrol_with_retries(federation, newcomer).expires >= identity.expires
        job = federation.job(["under-attack"])
        assert [each.job_uid for each in poll.result(60).invitations] == [job]
        renewals = [hub.renew(identity) for _ in range(10)]
        assert all(each.expires >= identity.expires for each in renewals)
        found = sum((attack.result(200) for attack in attacks), Counter[ErrorCode]())
    assert found.total() == 10_000
    assert set(found) <= {ErrorCode.INVALID_TOKEN, ErrorCode.TOO_MANY_REQUESTS}
    assert found[ErrorCode.TOO_MANY_REQUESTS] > 0
    refused = Counter(
        entry.get("code") for entry in federation.hub.log_entries() if entry.get("event") == "a call was rejected"
    )
    assert refused[ErrorCode.TOO_MANY_REQUESTS.label] == 0  # the hub does not log each call of a flood


def test_an_idle_connection_is_closed(federation: Federation) -> None:
    with silent_connections(federation.hub.enrolment_address, 2) as connections:
        for connection in connections:
            connection.settimeout(60)
            assert connection.recv(1) == b""


def test_a_connection_with_too_many_pings_is_closed(federation: Federation) -> None:
    """The hub answers pings of HTTP/2, which cost the caller as much as the hub. Too many pings end the connection."""
    context = ssl.create_default_context(cadata=federation.servers_trust.decode())
    context.set_alpn_protocols(["h2"])
    host, _, port = federation.hub.enrolment_address.rpartition(":")
    frame = struct.Struct(">BHBBI").pack  # length (two fields), type, flags, stream
    said = b""
    with (
        socket.create_connection((host, int(port)), 60) as plain,
        context.wrap_socket(plain, server_hostname=enrolment_name(federation.front_door)) as connection,
        contextlib.suppress(OSError),
    ):
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(0, 0, 4, 0, 0))
        connection.sendall((frame(0, 8, 6, 0, 0) + b"\0" * 8) * 100)
        while piece := connection.recv(1 << 16):
            said += piece
    assert b"too_many_pings" in said


def test_plain_text_is_not_answered(federation: Federation) -> None:
    for address in (federation.hub.address, federation.hub.enrolment_address):
        with grpc.insecure_channel(address) as channel:
            call = channel.unary_unary("/fedjobs.v1.Enrolment/Enrol")
            with contextlib.suppress(grpc.RpcError):
                call(b"", timeout=5)
                raise AssertionError("the hub answered a plain-text call")


def test_an_invalid_message_is_refused(federation: Federation) -> None:
    name = enrolment_name(federation.front_door)
    with open_enrolment_channel(federation.hub.enrolment_address, name, federation.servers_trust) as channel:
        for path in ("/fedjobs.v1.Enrolment/Enrol", "/fedjobs.v1.Enrolment/Nothing", "/fedjobs.v1.Session/Join"):
            with contextlib.suppress(grpc.RpcError):
                channel.unary_unary(path)(b"\xff\xff\xff", timeout=10)
                raise AssertionError("the hub answered an invalid message")


def test_the_rate_of_token_reviews_is_limited(federation: Federation) -> None:
    request = pb.IssueForPodRequest(token="x.y.z", csr=keys.signing_request(keys.create()))
    name = enrolment_name(federation.front_door)

    def ask(channel: grpc.Channel) -> ErrorCode:
        return code(lambda: call_enrolment(federation, "IssueCoordinator", request, channel=channel))

    with (
        open_enrolment_channel(federation.hub.enrolment_address, name, federation.servers_trust) as channel,
        ThreadPoolExecutor(2) as pool,  # below the limit of concurrent calls of a connection
    ):
        codes: set[ErrorCode] = set()

        def too_many() -> bool:
            # On a busy machine, the first calls may be too slow to reach the limit.
            codes.update(pool.map(ask, [channel] * 400))
            return ErrorCode.TOO_MANY_REQUESTS in codes

        wait_until("the hub refuses further calls", too_many, seconds=120)
    assert codes == {ErrorCode.INVALID_TOKEN, ErrorCode.TOO_MANY_REQUESTS}
