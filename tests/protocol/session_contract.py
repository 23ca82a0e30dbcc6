"""What every server and every client of the session must do.

A test module plugs a coordinator in: a subclass of `SessionContract`, named `Test...`, with a fixture `make_backend`
that returns a `BackendFactory`. All runs over loopback with mutual TLS, the real server, and the real client.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from fedjobs_common import digests
from fedjobs_common.chunks import CHUNK
from fedjobs_common.errors import ErrorCode, FedjobsError, from_grpc
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb

from .coordinators import JOB, SILO, BackendFactory, Coordinator
from .corruption import CorruptOnce
from .session_steps import JOIN, OTHER_SILO, VALUE, WORK, join, join_and_pull, pull
from .trust_contract import TrustContract

OFFERED = pb.OfferedShard(shard=pb.Blob(digest=bytes(32), size=1, inline=b"x"), label="sum", datasets=["digits"])


class SessionContract(TrustContract):
    @pytest.fixture
    def make_backend(self) -> BackendFactory:
        raise NotImplementedError

    @pytest.fixture
    def coordinator(self, tmp_path: Path, make_backend: BackendFactory) -> Iterator[Coordinator]:
        with Coordinator(tmp_path, make_backend) as coordinator:
            yield coordinator

    # Join.

    def test_join_tells_the_job_the_epoch_and_the_versions(self, coordinator: Coordinator) -> None:
        response = coordinator.client().join(JOIN)
        assert response.job_uid == JOB
        assert response.epoch == 1
        assert (response.protocol_version, response.shard_format) == (1, 1)
        assert response.session_id

    def test_the_epoch_counts_the_starts_of_the_coordinator(self, coordinator: Coordinator) -> None:
        coordinator.restart()
        assert coordinator.client().join(JOIN).epoch == 2

    @pytest.mark.parametrize(
        ("request_", "named"),
        [
            (pb.JoinRequest(protocol_versions=[7, 8], shard_formats=[1]), "protocol"),
            (pb.JoinRequest(protocol_versions=[1], shard_formats=[7, 8]), "shard format"),
        ],
    )
    def test_versions_that_do_not_meet_are_refused_and_both_are_named(
        self, coordinator: Coordinator, request_: pb.JoinRequest, named: str
    ) -> None:
        with pytest.raises(FedjobsError) as raised:
            coordinator.client().join(request_)
        assert raised.value.code is ErrorCode.VERSION_MISMATCH
        assert named in raised.value.public
        assert "7, 8" in raised.value.public
        assert "coordinator supports 1" in raised.value.public

    @pytest.mark.parametrize(("theirs", "common"), [([1], 1), ([1, 2], 2), ([2, 3], 2)])
    def test_the_newest_version_that_both_speak_is_spoken(
        self, coordinator: Coordinator, theirs: list[int], common: int
    ) -> None:
        request = pb.JoinRequest(protocol_versions=theirs, shard_formats=[1])
        assert coordinator.client().join(request).protocol_version == common

    def test_a_newer_join_ends_the_older_session(self, coordinator: Coordinator) -> None:
        client = coordinator.client()
        older, newer = client.join(JOIN).session_id, client.join(JOIN).session_id
        with pytest.raises(FedjobsError) as raised:
            client.pull_work(older)
        assert raised.value.code in (ErrorCode.SESSION_SUPERSEDED, ErrorCode.SESSION_NOT_FOUND)
        client.heartbeat(newer)

    def test_a_restarted_coordinator_does_not_know_the_session(self, coordinator: Coordinator) -> None:
        _, session_id = join(coordinator)
        coordinator.restart()
        with pytest.raises(FedjobsError) as raised:
            coordinator.client().heartbeat(session_id)
        assert raised.value.code is ErrorCode.SESSION_NOT_FOUND
        assert raised.value.retryable

    # Offers.

    def test_an_offer_comes_again_until_it_is_answered(self, coordinator: Coordinator) -> None:
        client = coordinator.client()
        session_id = client.join(pb.JoinRequest(protocol_versions=[1, 2], shard_formats=[1])).session_id
        coordinator.do(lambda backend: backend.propose(SILO, OFFERED))
        for _ in range(2):
            (offered,) = client.pull_work(session_id).offer.shards
            assert offered == OFFERED
        client.consent(session_id, [pb.ShardConsent(shard=OFFERED.shard.digest, approved=pb.Approved())])
        assert client.pull_work(session_id).WhichOneof("next") is None

    def test_a_silo_of_version_1_is_offered_nothing(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        coordinator.do(lambda backend: backend.propose(SILO, OFFERED))
        assert client.pull_work(session_id).WhichOneof("next") is None

    def test_a_session_that_is_over_cannot_consent(self, coordinator: Coordinator) -> None:
        _, session_id = join(coordinator)
        coordinator.restart()
        with pytest.raises(FedjobsError) as raised:
            coordinator.client().consent(session_id, [])
        assert raised.value.code is ErrorCode.SESSION_NOT_FOUND

    # Work.

    def test_a_poll_without_work_ends_by_itself(self, coordinator: Coordinator) -> None:
        client = coordinator.client()
        response = client.pull_work(client.join(JOIN).session_id)
        assert response.WhichOneof("next") is None

    def test_a_poll_waits_for_work(self, coordinator: Coordinator) -> None:
        client = coordinator.client()
        session_id = client.join(JOIN).session_id
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(pull, client, session_id)
            coordinator.do(lambda backend: backend.offer(SILO, pb.Work(work_id=WORK)))
            assert waiting.result(10).work_id == WORK

    def test_work_goes_to_its_silo_only(self, coordinator: Coordinator) -> None:
        coordinator.do(lambda backend: backend.offer(SILO, pb.Work(work_id=WORK)))
        other = coordinator.client(OTHER_SILO)
        assert other.pull_work(other.join(JOIN).session_id).WhichOneof("next") is None

    def test_a_report_that_comes_twice_counts_once_and_is_acknowledged_twice(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        report = pb.Report(work_id=WORK, epoch=1, refusal=pb.Refusal(rule="datasets", message="not this one"))
        answers = [client.pull_work(session_id, report).acknowledged_work_id for _ in range(2)]
        assert answers == [WORK, WORK]
        assert [taken.work_id for taken in coordinator.do(lambda backend: backend.reports())] == [WORK]

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

    def test_a_download_goes_on_where_it_was_cut(self, coordinator: Coordinator) -> None:
        link = coordinator.link()
        client, session_id = join(coordinator, coordinator.client(address=link.address))
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        link.cut_after(len(VALUE) // 2)
        assert _fetched(client, session_id, digest) == VALUE
        assert link.cuts == 1
        down, _ = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert down < 1.5 * len(VALUE)  # more than once only what was on its way

    def test_a_download_goes_on_in_the_session_after_a_restart(self, coordinator: Coordinator) -> None:
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

    def test_a_download_that_was_corrupted_is_fetched_again(self, coordinator: Coordinator) -> None:
        corruption = CorruptOnce(3)
        client = SessionClient(grpc.intercept_channel(coordinator.channel(), corruption))
        client, session_id = join(coordinator, client)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        assert _fetched(client, session_id, digest) == VALUE
        assert corruption.times == 1

    def test_a_corrupt_download_is_never_taken_for_the_blob(self, coordinator: Coordinator) -> None:
        client = SessionClient(grpc.intercept_channel(coordinator.channel(), CorruptOnce(3)))
        client, session_id = join(coordinator, client)
        digest = coordinator.do(lambda backend: backend.publish(SILO, VALUE))
        with pytest.raises(FedjobsError) as raised:
            client.fetch_blob(session_id, digest, len(VALUE), lambda chunk: None)
        assert raised.value.code is ErrorCode.BLOB_CORRUPT

    # Uploads.

    @pytest.mark.parametrize("value", [VALUE, VALUE[:CHUNK], b"few", b""], ids=["many", "one-chunk", "few", "none"])
    def test_an_upload_arrives_whole(self, coordinator: Coordinator, value: bytes) -> None:
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

    def test_an_upload_goes_on_where_it_was_cut(self, coordinator: Coordinator) -> None:
        link = coordinator.link()
        client, session_id = join_and_pull(coordinator, client=coordinator.client(address=link.address))
        link.cut_after(len(VALUE) // 2)
        client.put_blob(session_id, WORK, VALUE)
        assert link.cuts == 1
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
        _, up = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert up < len(VALUE) + CHUNK // 2  # what arrived was not sent again

    def test_an_upload_goes_on_after_a_restart_of_the_coordinator(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        _put_part(coordinator, session_id, [VALUE[: 2 * CHUNK], VALUE[2 * CHUNK : 3 * CHUNK]])
        coordinator.restart()
        client, session_id = join_and_pull(coordinator)
        assert client.stat_blob(session_id, WORK) == 3 * CHUNK
        client.put_blob(session_id, WORK, VALUE)
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
        _, up = coordinator.do(lambda backend: backend.transferred_bytes(SILO))
        assert up < len(VALUE) - 2 * CHUNK

    def test_an_upload_that_was_finished_may_be_sent_again(self, coordinator: Coordinator) -> None:
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

    def test_a_truncated_upload_is_refused_and_what_came_is_kept(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        error = _put_part(coordinator, session_id, [VALUE[:CHUNK]])
        assert error.code is ErrorCode.BLOB_CORRUPT
        assert client.stat_blob(session_id, WORK) == CHUNK
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) is None

    def test_an_upload_of_another_size_than_the_works_is_refused(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator, len(VALUE) - 1)
        with pytest.raises(FedjobsError) as raised:
            client.put_blob(session_id, WORK, VALUE)
        assert raised.value.code is ErrorCode.BLOB_TOO_LARGE
        assert client.stat_blob(session_id, WORK) == 0

    def test_an_upload_of_more_than_it_announced_is_refused(self, coordinator: Coordinator) -> None:
        _, session_id = join_and_pull(coordinator)
        error = _put_part(coordinator, session_id, [VALUE, b"and more"])
        assert error.code is ErrorCode.BLOB_TOO_LARGE
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) is None

    def test_an_upload_for_work_that_was_not_given_out_is_refused(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        with pytest.raises(FedjobsError) as raised:
            client.put_blob(session_id, "cd" * 32, VALUE)
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND

    def test_an_upload_at_another_offset_than_what_came_is_refused(self, coordinator: Coordinator) -> None:
        _, session_id = join_and_pull(coordinator)
        assert _put_part(coordinator, session_id, [VALUE[CHUNK:]], offset=CHUNK).code is ErrorCode.BLOB_OFFSET_MISMATCH

    def test_an_upload_without_a_header_is_refused(self, coordinator: Coordinator) -> None:
        join_and_pull(coordinator)
        assert _put_messages(coordinator, [b"\xff\xff\xff"]).code is ErrorCode.WORK_NOT_FOUND

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

    def test_heartbeats_are_answered(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        assert not client.heartbeat(session_id, WORK, "running").cancel


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
    """The error of an upload that does not keep to the rules."""
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
