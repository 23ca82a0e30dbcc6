"""The contract suite of the session's servers and clients.

A test module uses it with a subclass of `SessionContract`, named `Test...`, that has a fixture `make_backend` that
returns a `BackendFactory`. The tests use the real server and the real client over the loopback with mutual TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import session_pb2 as pb

from .coordinators import JOB, SILO, BackendFactory, Coordinator
from .session_steps import JOIN, OTHER_SILO, WORK, join, join_and_pull, pull
from .transfer_contract import TransferContract
from .trust_contract import TrustContract

OFFERED = pb.OfferedShard(shard=pb.Blob(digest=bytes(32), size=1, inline=b"x"), label="sum", datasets=["digits"])


class SessionContract(TrustContract, TransferContract):
    @pytest.fixture
    def make_backend(self) -> BackendFactory:
        raise NotImplementedError

    @pytest.fixture
    def coordinator(self, tmp_path: Path, make_backend: BackendFactory) -> Iterator[Coordinator]:
        with Coordinator(tmp_path, make_backend) as coordinator:
            yield coordinator

    # Join.

    def test_join_returns_the_job_the_generation_and_the_versions(self, coordinator: Coordinator) -> None:
        response = coordinator.client().join(JOIN)
        assert response.job_uid == JOB
        assert response.generation == 1
        assert (response.protocol_version, response.shard_format) == (1, 1)
        assert response.session_id

    def test_the_generation_counts_the_starts_of_the_coordinator(self, coordinator: Coordinator) -> None:
        coordinator.restart()
        assert coordinator.client().join(JOIN).generation == 2

    @pytest.mark.parametrize(
        ("request_", "named"),
        [
            (pb.JoinRequest(protocol_versions=[7, 8], shard_formats=[1]), "protocol"),
            (pb.JoinRequest(protocol_versions=[1], shard_formats=[7, 8]), "shard format"),
        ],
    )
    def test_incompatible_versions_are_refused_and_both_are_named(
        self, coordinator: Coordinator, request_: pb.JoinRequest, named: str
    ) -> None:
        with pytest.raises(FedjobsError) as raised:
            coordinator.client().join(request_)
        assert raised.value.code is ErrorCode.VERSION_MISMATCH
        assert named in raised.value.public
        assert "7, 8" in raised.value.public
        assert "coordinator supports 1" in raised.value.public

    @pytest.mark.parametrize(("theirs", "common"), [([1], 1), ([1, 2], 2), ([2, 3], 2)])
    def test_the_newest_common_version_is_used(self, coordinator: Coordinator, theirs: list[int], common: int) -> None:
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

    def test_an_offer_is_repeated_until_it_is_answered(self, coordinator: Coordinator) -> None:
        client = coordinator.client()
        session_id = client.join(pb.JoinRequest(protocol_versions=[1, 2], shard_formats=[1])).session_id
        coordinator.do(lambda backend: backend.propose(SILO, OFFERED))
        for _ in range(2):
            (offered,) = client.pull_work(session_id).offer.shards
            assert offered == OFFERED
        client.consent(session_id, [pb.ShardConsent(shard=OFFERED.shard.digest, approved=pb.Approved())])
        assert client.pull_work(session_id).WhichOneof("next") is None

    def test_a_silo_of_version_1_gets_no_offers(self, coordinator: Coordinator) -> None:
        client, session_id = join(coordinator)
        coordinator.do(lambda backend: backend.propose(SILO, OFFERED))
        assert client.pull_work(session_id).WhichOneof("next") is None

    def test_an_unknown_session_cannot_consent(self, coordinator: Coordinator) -> None:
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

    def test_work_is_assigned_to_its_silo_only(self, coordinator: Coordinator) -> None:
        coordinator.do(lambda backend: backend.offer(SILO, pb.Work(work_id=WORK)))
        other = coordinator.client(OTHER_SILO)
        assert other.pull_work(other.join(JOIN).session_id).WhichOneof("next") is None

    def test_a_repeated_report_counts_once_and_is_acknowledged_twice(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        report = pb.Report(work_id=WORK, generation=1, refusal=pb.Refusal(rule="datasets", message="not this one"))
        answers = [client.pull_work(session_id, report).acknowledged_work_id for _ in range(2)]
        assert answers == [WORK, WORK]
        assert [taken.work_id for taken in coordinator.do(lambda backend: backend.reports())] == [WORK]

    def test_heartbeats_are_answered(self, coordinator: Coordinator) -> None:
        client, session_id = join_and_pull(coordinator)
        assert not client.heartbeat(session_id, WORK, "running").cancel
