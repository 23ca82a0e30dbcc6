"""The part of `SessionContract` about blobs, for the session's servers and clients."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from fedjobs_common import digests
from fedjobs_common.chunks import CHUNK
from fedjobs_common.errors import ErrorCode, FedjobsError, from_grpc
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb

from .coordinators import SILO, Coordinator
from .corruption import CorruptOnce
from .session_steps import OTHER_SILO, VALUE, WORK, join, join_and_pull


class TransferContract:
    # Downloads.

    def test_a_blob_is_fetched_into_a_file(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        assert _fetched(client, session_id, digest) == VALUE

    def test_a_blob_is_fetched_into_a_function(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        chunks: list[bytes] = []
        client.fetch_blob(session_id, digest, len(VALUE), chunks.append)
        assert b"".join(chunks) == VALUE
        assert max(map(len, chunks)) == CHUNK

    def test_a_silo_cannot_tell_the_blob_of_another_from_one_that_does_not_exist(
        self, coordinator: Coordinator
    ) -> None:
        client, session_id = join(coordinator)
        others = coordinator.do(lambda backend: backend.publish(OTHER_SILO, VALUE))
        messages = []
        for digest in (others, bytes(32)):
            with pytest.raises(FedjobsError) as raised:
                _fetched(client, session_id, digest)
            assert raised.value.code is ErrorCode.BLOB_NOT_FOUND
            messages.append(raised.value.public.replace(digest.hex(), ""))
        assert messages[0] == messages[1]

    def test_a_download_continues_where_it_was_cut(self, coordinator: Coordinator) -> None:
        link = coordinator.link()
        client, session_id = join(coordinator, coordinator.client(address=link.address))
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        link.cut_after(len(VALUE) // 2)
        assert _fetched(client, session_id, digest) == VALUE
        assert link.cuts == 1
        down, _ = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert down < 1.5 * len(VALUE)  # only data in flight was sent twice

    def test_a_download_continues_in_the_next_session_after_a_restart(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        chunks: list[bytes] = []
        download = Download(digest, len(VALUE), chunks.append)
        download.write(VALUE[: 3 * CHUNK])
        coordinator.restart()
        coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        client, session_id = join(coordinator)
        client.fetch(session_id, download)
        assert b"".join(chunks) == VALUE
        down, _ = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert down < len(VALUE) - 2 * CHUNK

    def test_a_corrupted_download_is_fetched_again(self, coordinator: Coordinator) -> None:
        corruption = CorruptOnce(3)
        client = SessionClient(grpc.intercept_channel(coordinator.channel(), corruption))
        client, session_id = join(coordinator, client)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        assert _fetched(client, session_id, digest) == VALUE
        assert corruption.times == 1

    def test_a_corrupt_download_is_never_accepted(self, coordinator: Coordinator) -> None:
        client = SessionClient(grpc.intercept_channel(coordinator.channel(), CorruptOnce(3)))
        client, session_id = join(coordinator, client)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        with pytest.raises(FedjobsError) as raised:
            client.fetch_blob(session_id, digest, len(VALUE), lambda chunk: None)
        assert raised.value.code is ErrorCode.BLOB_CORRUPT

    # Uploads.

    @pytest.mark.parametrize("value", [VALUE, VALUE[:CHUNK], b"few", b""], ids=["many", "one-chunk", "few", "none"])
    def test_an_upload_arrives_completely(self, coordinator: Coordinator, value: bytes) -> None:
        client, session_id = join_and_pull(coordinator, len(value))
        assert client.put_blob(session_id, WORK, value) == digests.raw(digests.digest(value))
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == value

    def test_an_upload_is_read_from_a_file(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        fd = os.memfd_create("value")
        os.write(fd, VALUE)
        client.put_blob(session_id, WORK, fd)
        os.close(fd)
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE

    def test_an_upload_continues_where_it_was_cut(self, coordinator: Coordinator) -> None:
        link = coordinator.link()
        client, session_id = join_and_pull(coordinator, client=coordinator.client(address=link.address))
        link.cut_after(len(VALUE) // 2)
        client.put_blob(session_id, WORK, VALUE)
        assert link.cuts == 1
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
        _, up = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert up < len(VALUE) + CHUNK // 2  # received data was not sent again

    def test_an_upload_continues_after_a_restart_of_the_coordinator(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        _put_part(coordinator, session_id, [VALUE[: 2 * CHUNK], VALUE[2 * CHUNK : 3 * CHUNK]])
        coordinator.restart()
        client, session_id = join_and_pull(coordinator)
        assert client.stat_blob(session_id, WORK) == 3 * CHUNK
        client.put_blob(session_id, WORK, VALUE)
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
        _, up = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert up < len(VALUE) - 2 * CHUNK

    def test_a_finished_upload_may_be_sent_again(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        client.put_blob(session_id, WORK, VALUE)
        client.put_blob(session_id, WORK, VALUE)
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
        _, up = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert up < len(VALUE) + CHUNK

    def test_a_corrupt_upload_is_refused_and_sent_again(self, coordinator: Coordinator) -> None:
        corruption = CorruptOnce(4)
        client = SessionClient(grpc.intercept_channel(coordinator.channel(), corruption))
        client, session_id = join_and_pull(coordinator, client=client)
        client.put_blob(session_id, WORK, VALUE)
        assert corruption.times == 1
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE

    def test_a_truncated_upload_is_refused_and_the_received_part_is_kept(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        error = _put_part(coordinator, session_id, [VALUE[:CHUNK]])
        assert error.code is ErrorCode.BLOB_CORRUPT
        assert client.stat_blob(session_id, WORK) == CHUNK
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) is None

    def test_an_upload_with_another_size_than_the_works_is_refused(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator, len(VALUE) - 1)
        with pytest.raises(FedjobsError) as raised:
            client.put_blob(session_id, WORK, VALUE)
        assert raised.value.code is ErrorCode.BLOB_TOO_LARGE
        assert client.stat_blob(session_id, WORK) == 0

    def test_an_upload_with_more_bytes_than_announced_is_refused(self, coordinator: Coordinator) -> None:
        _, session_id = join_and_pull(coordinator)
        error = _put_part(coordinator, session_id, [VALUE, b"and more"])
        assert error.code is ErrorCode.BLOB_TOO_LARGE
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) is None

    def test_an_upload_for_unassigned_work_is_refused(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        with pytest.raises(FedjobsError) as raised:
            client.put_blob(session_id, "cd" * 32, VALUE)
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND

    def test_an_upload_at_the_wrong_offset_is_refused(self, coordinator: Coordinator) -> None:
        _, session_id = join_and_pull(coordinator)
        assert _put_part(coordinator, session_id, [VALUE[CHUNK:]], offset=CHUNK).code is ErrorCode.BLOB_OFFSET_MISMATCH

    def test_an_upload_without_a_header_is_refused(self, coordinator: Coordinator) -> None:
        join_and_pull(coordinator)
        assert _put_messages(coordinator, [b"\xff\xff\xff"]).code is ErrorCode.REQUEST_MALFORMED

    def test_a_second_upload_of_the_same_work_supersedes_the_first(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        begun, superseded = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield VALUE[:CHUNK]
            begun.set()
            superseded.wait(20)
            yield VALUE[CHUNK : 2 * CHUNK]

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(_put_part, coordinator, session_id, slowly())
            assert begun.wait(10)
            client.put_blob(session_id, WORK, VALUE)
            superseded.set()
            assert first.result(20).code is ErrorCode.BLOB_OFFSET_MISMATCH
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE


def _fetched(client: SessionClient, session_id: str, digest: bytes) -> bytes:
    fd = os.memfd_create("fetched")
    try:
        client.fetch_blob(session_id, digest, len(VALUE), fd)
        return os.pread(fd, len(VALUE) + 1, 0)
    finally:
        os.close(fd)


def _put_part(
    coordinator: Coordinator, session_id: str, chunks: list[bytes] | Iterator[bytes], offset: int = 0
) -> FedjobsError:
    """Returns the error of an invalid upload."""
    header = pb.PutBlobHeader(session_id=session_id, work_id=WORK, size=len(VALUE), offset=offset)

    def messages() -> Iterator[bytes]:
        yield header.SerializeToString()
        yield from chunks

    return _put_messages(coordinator, messages())


def _put_messages(coordinator: Coordinator, messages: list[bytes] | Iterator[bytes]) -> FedjobsError:
    put = coordinator.channel().stream_unary("/fedjobs.v1.Session/PutBlob", None, None)
    with pytest.raises(grpc.RpcError) as raised:
        put(iter(messages), timeout=30)
    return from_grpc(raised.value)
