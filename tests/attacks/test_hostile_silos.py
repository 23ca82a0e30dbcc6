"""A hostile silo calls a coordinator's real server, over mutual TLS, with generated messages and streams.

The silo has a valid certificate and work. Whatever it sends, it gets an error of the catalogue or a regular response,
the coordinator stores no more than the plan allows, and the other silo can work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, code_of, from_grpc
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import server_name
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.sessions.session_server import SessionHandler
from fedjobs_protocol.v1 import session_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.coordinator.builders import ALICE, BOB, FRAMED, JOIN_2, OTHER_WORK, WORK, Desk, a_result, an_assignment
from tests.protocol.coordinators import JOB, Coordinator

SERVICE = "/fedjobs.v1.Session"
REQUESTS: dict[str, type[Message]] = {
    "Join": pb.JoinRequest,
    "PullWork": pb.PullWorkRequest,
    "Consent": pb.ConsentRequest,
    "Heartbeat": pb.HeartbeatRequest,
    "StatBlob": pb.StatBlobRequest,
}
GENERATED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MIB = 1 << 20
STORED = 4 * len(FRAMED)  # bytes: one unfinished upload of at most twice the plan, and room for names


class _Backend(Desk):
    """A coordinator's sessions with work for both silos. It has no values for them to fetch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.assign(an_assignment(ALICE))
        self.assign(an_assignment(BOB, OTHER_WORK))

    @property
    def handler(self) -> SessionHandler:
        return self.sessions


class Attacker:
    """A silo that sends what it wants."""

    def __init__(self, coordinator: Coordinator) -> None:
        options = (("grpc.max_send_message_length", -1),)
        identity = coordinator.authority.issue_silo(JOB, ALICE)
        self.coordinator = coordinator
        self.channel = open_channel(coordinator.address, server_name(JOB), identity, options)
        self.session = SessionClient(self.channel).join(JOIN_2).session_id

    def call(self, method: str, request: bytes, **options: Any) -> ErrorCode | None:
        """Makes a call. Returns the error, or None for a response."""
        return self._outcome(lambda: self.channel.unary_unary(f"{SERVICE}/{method}")(request, timeout=20, **options))

    def put(self, messages: Sequence[bytes]) -> ErrorCode | None:
        """Uploads a stream of messages. Returns the error, or None for a response."""
        return self._outcome(lambda: self.channel.stream_unary(f"{SERVICE}/PutBlob")(iter(messages), timeout=20))

    def fetch(self, request: pb.FetchBlobRequest) -> ErrorCode | None:
        """Downloads. Returns the error, or None for a whole stream."""
        call = self.channel.unary_stream(f"{SERVICE}/FetchBlob")
        return self._outcome(lambda: list(call(request.SerializeToString(), timeout=20)))

    def header(self, **fields: Any) -> bytes:
        """Returns the first message of an upload that fits the work, with these fields replaced."""
        fitting: dict[str, Any] = {"session_id": self.session, "work_id": WORK, "size": len(FRAMED), "offset": 0}
        return pb.PutBlobHeader(**fitting | fields).SerializeToString()

    def _outcome(self, call: Any) -> ErrorCode | None:
        try:
            call()
        except grpc.RpcError as caught:
            error = caught
        else:
            return None
        label = (error.details() or "").partition(": ")[0]
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and code_of(label) is ErrorCode.INTERNAL:
            return ErrorCode.BLOB_TOO_LARGE  # gRPC itself refused the message for its size
        assert label == from_grpc(error).code.label, f"{error.code()}: {error.details()}"
        return from_grpc(error).code


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    with Coordinator(tmp_path_factory.mktemp("coordinator"), _Backend) as coordinator:
        yield coordinator


@pytest.fixture
def attacker(coordinator: Coordinator) -> Iterator[Attacker]:
    """A hostile silo with a new session. After its attack, the other silo finishes its work."""
    coordinator.do(lambda backend: _renew(backend))
    attacker = Attacker(coordinator)
    yield attacker
    attacker.channel.close()
    stored = sum(path.stat().st_size for path in (coordinator.directory / "reports").rglob("*"))
    assert stored <= STORED
    client = coordinator.client(BOB)
    session = client.join(JOIN_2).session_id
    digest = client.put_blob(session, OTHER_WORK, FRAMED)
    answered = client.pull_work(session, a_result(work_id=OTHER_WORK, digest=digest))
    assert answered.acknowledged_work_id == OTHER_WORK
    assert not answered.HasField("report_error")


def _renew(backend: Any) -> None:
    """Gives both silos their work again, without what earlier attacks left."""
    backend.reports.forget()
    for silo, work in ((ALICE, WORK), (BOB, OTHER_WORK)):
        backend.sessions.withdraw([work])
        backend.assign(an_assignment(silo, work))


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of one field: extremes, and texts and bytes that others would have to parse."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        assert field.message_type is not None
        return _messages(getattr(pb, field.message_type.name), depth - 1)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.floats()
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=64) | st.just(FRAMED) | st.just(digests.raw(digests.digest(FRAMED)))
        known = ["SESSION", WORK, OTHER_WORK, "../../etc/passwd", "\x1b[2J\n", "x" * 100_000]
        return st.sampled_from(known) | st.text(max_size=20)
    bits = 32 if kind == FieldDescriptor.CPPTYPE_UINT32 else 64
    return st.sampled_from([0, 1, 2, 2**31, 2**bits - 1]) | st.integers(0, 2**bits - 1)


def _messages(kind: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Messages of a type, with any of its fields."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in kind.DESCRIPTOR.fields if depth > 0 else ():
        values = _values(field, depth)
        fields[field.name] = st.lists(values, max_size=3) if field.label == field.LABEL_REPEATED else values
    one_of = [{field.name for field in group.fields} for group in kind.DESCRIPTOR.oneofs]

    def made(chosen: dict[str, Any]) -> Any:
        kept = dict(chosen)
        for group in one_of:
            for name in sorted(group & kept.keys())[1:]:
                del kept[name]
        return kind(**kept)

    return st.fixed_dictionaries({}, optional=fields).map(made)


@pytest.mark.parametrize("method", REQUESTS)
@given(data=st.data())
@GENERATED
def test_a_generated_request_gets_an_answer_or_an_error_of_the_catalogue(
    method: str, attacker: Attacker, data: st.DataObject
) -> None:
    request = data.draw(_messages(REQUESTS[method])).SerializeToString()
    sent = request.replace(b"\x07SESSION", bytes([len(attacker.session)]) + attacker.session.encode())
    cut = data.draw(st.integers(0, 3)) == 0
    attacker.call(method, sent[: len(sent) // 2] if cut else sent)


@pytest.mark.parametrize("method", REQUESTS)
@given(request=st.binary(max_size=200))
@GENERATED
def test_bytes_that_are_no_request_get_an_error_of_the_catalogue(
    method: str, attacker: Attacker, request: bytes
) -> None:
    try:
        REQUESTS[method].FromString(request)
    except DecodeError:
        assert attacker.call(method, request) is ErrorCode.REQUEST_MALFORMED
    else:
        attacker.call(method, request)


@pytest.mark.parametrize("method", REQUESTS)
def test_a_request_that_is_too_long_is_refused_also_if_it_is_compressed(method: str, attacker: Attacker) -> None:
    bomb = bytes(64 * MIB)
    assert attacker.call(method, bomb) is ErrorCode.BLOB_TOO_LARGE
    assert attacker.call(method, bomb, compression=grpc.Compression.Gzip) is ErrorCode.BLOB_TOO_LARGE


@given(
    size=st.sampled_from([0, 1, len(FRAMED), 2 * len(FRAMED), 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1),
    offset=st.sampled_from([0, 0, 0, 1, 2**63, 2**64 - 1]),
    chunks=st.lists(st.sampled_from([b"", b"x", FRAMED[:100], FRAMED, bytes(32), bytes(MIB)]), max_size=6),
)
@GENERATED
def test_a_generated_upload_stores_at_most_what_the_plan_allows(
    attacker: Attacker, size: int, offset: int, chunks: list[bytes]
) -> None:
    sent = b"".join(chunks)
    complete = len(sent) == size + digests.SIZE and sent[-32:] == digests.raw(digests.digest(sent[:-32]))
    assert complete or attacker.put([attacker.header(size=size, offset=offset), *chunks]) is not None


@given(offset=st.integers(0, 2**64 - 1), digest=st.binary(max_size=40))
@GENERATED
def test_a_generated_download_reads_nothing(attacker: Attacker, offset: int, digest: bytes) -> None:
    request = pb.FetchBlobRequest(session_id=attacker.session, digest=digest, offset=offset)
    assert attacker.fetch(request) is ErrorCode.BLOB_NOT_FOUND


def test_an_upload_without_progress_is_ended(attacker: Attacker) -> None:
    endless = (attacker.header() if number == 0 else b"" for number in range(10**9))
    call = attacker.channel.stream_unary(f"{SERVICE}/PutBlob")
    with pytest.raises(grpc.RpcError) as refused:
        call(endless, timeout=20)
    assert from_grpc(refused.value).code is ErrorCode.BLOB_CORRUPT


def test_an_upload_under_the_name_of_other_work_or_another_session_is_refused(attacker: Attacker) -> None:
    for fields, expected in (
        ({"work_id": OTHER_WORK}, ErrorCode.WORK_NOT_FOUND),
        ({"work_id": "../" + WORK}, ErrorCode.WORK_NOT_FOUND),
        ({"session_id": "0" * 32}, ErrorCode.SESSION_NOT_FOUND),
    ):
        assert attacker.put([attacker.header(**fields), FRAMED]) is expected


def test_a_report_counts_once_whatever_it_claims_besides(attacker: Attacker) -> None:
    report = a_result()
    report.result.device = "\x1b[2J" + "gpu:0" * 1000
    request = pb.PullWorkRequest(session_id=attacker.session, report=report).SerializeToString()
    assert attacker.call("PullWork", request) is None
    assert attacker.call("PullWork", request) is None  # a replay is acknowledged and dropped
    [stored] = (attacker.coordinator.directory / "reports").glob("*.json")
    assert "\\u001b" not in stored.read_text()
