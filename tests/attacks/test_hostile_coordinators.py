"""A hostile coordinator answers a silo's client, over mutual TLS, with generated messages and streams.

The client gets a response or an error of the catalogue. It never takes more bytes than the blob has that it asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.channels import open_channel, server_credentials
from fedjobs_protocol.identities.identities import RunAuthority, server_name
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.coordinators import JOB, SILO

UNARY = ("Join", "PullWork", "Consent", "Heartbeat", "StatBlob")
GENERATED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MIB = 1 << 20
VALUE = b"value" * 10


class HostileServer:
    """Answers each call with `answer`, and each download with `chunks`. It never ends uploads.

    Attributes:
        answer: The bytes of the response.
        chunks: The messages of a download.
        sent: The bytes of downloads that gRPC took.
    """

    def __init__(self) -> None:
        self.answer = b""
        self.chunks: Iterator[bytes] = iter(())
        self.sent = 0
        self.authority = RunAuthority.create()
        self._identity = self.authority.issue_coordinator(JOB, server_name(JOB))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(20)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(0), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self) -> int:
        handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(self._unary) for name in UNARY}
        handlers["FetchBlob"] = grpc.unary_stream_rpc_method_handler(self._fetch)
        self._server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("fedjobs.v1.Session", handlers),))
        port = self._server.add_secure_port("127.0.0.1:0", server_credentials(lambda: self._identity))
        await self._server.start()
        return port

    async def _unary(self, _request: bytes, _context: Any) -> bytes:
        return self.answer

    async def _fetch(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
            self.sent += len(chunk)


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: HostileServer) -> Iterator[SessionClient]:
    identity = server.authority.issue_silo(JOB, SILO)
    with open_channel(f"127.0.0.1:{server.port}", server_name(JOB), identity) as channel:
        yield SessionClient(channel)


def outcome(client: SessionClient, method: str) -> FedjobsError | None:
    """Makes a call. Returns the error, or None for a response."""
    calls: dict[str, Any] = {
        "Join": lambda: client.join(pb.JoinRequest()),
        "PullWork": lambda: client.pull_work("session"),
        "Consent": lambda: client.consent("session", []),
        "Heartbeat": lambda: client.heartbeat("session"),
        "StatBlob": lambda: client.stat_blob("session", "work"),
    }
    try:
        calls[method]()
    except FedjobsError as error:
        return error
    return None


@pytest.mark.parametrize("method", UNARY)
@given(answer=st.binary(max_size=300))
@GENERATED
def test_any_bytes_are_a_response_or_an_error_of_the_catalogue(
    method: str, server: HostileServer, client: SessionClient, answer: bytes
) -> None:
    server.answer = answer
    outcome(client, method)  # raises nothing else


@pytest.mark.parametrize("method", UNARY)
def test_a_response_that_is_too_long_is_an_error(method: str, server: HostileServer, client: SessionClient) -> None:
    server.answer = bytes(64 * MIB)
    assert outcome(client, method) is not None


CHUNKS = st.lists(st.sampled_from([b"", b"x", VALUE[:10], VALUE[10:], VALUE, bytes(MIB)]), max_size=4)


@pytest.mark.parametrize("in_a_file", [True, False])
@given(attempts=st.lists(CHUNKS, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_only_the_bytes_of_the_blob_are_ever_accepted(in_a_file: bool, attempts: list[list[bytes]]) -> None:
    """Several attempts continue one download, as after an interruption."""
    with tempfile.TemporaryFile() as file:
        chunks = bytearray()
        download = Download(
            digests.raw(digests.digest(VALUE)), len(VALUE), file.fileno() if in_a_file else chunks.extend
        )
        for attempt in attempts:
            try:
                for chunk in attempt:
                    download.write(chunk)
                download.verify()
            except FedjobsError:
                continue
            taken = os.pread(file.fileno(), 2 * MIB, 0)[: len(VALUE)] if in_a_file else bytes(chunks)
            assert taken == VALUE
            return
    assert b"".join(attempts[0]) != VALUE
    assert len(chunks) <= len(VALUE)


def test_an_endless_download_is_ended(server: HostileServer, client: SessionClient) -> None:
    server.chunks, server.sent = itertools.repeat(bytes(MIB)), 0
    taken = bytearray()
    with pytest.raises(FedjobsError) as raised:
        client.fetch("session", Download(digests.raw(digests.digest(VALUE)), len(VALUE), taken.extend))
    assert raised.value.code is ErrorCode.BLOB_CORRUPT
    assert not taken
    assert server.sent <= 64 * MIB
