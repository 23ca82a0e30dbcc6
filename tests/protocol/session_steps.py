"""The first steps of a silo in the suites of the session."""

from __future__ import annotations

import os

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb

from .coordinators import SILO, Coordinator

WORK = "ab" * 32
OTHER_SILO = "hospital-b"
VALUE = os.urandom(4096) * 2048 + b"tail"  # slightly more than 8 MiB
JOIN = pb.JoinRequest(protocol_versions=[1], shard_formats=[1])


def join(coordinator: Coordinator, client: SessionClient | None = None) -> tuple[SessionClient, str]:
    client = client or coordinator.client()
    return client, client.join(JOIN).session_id


def join_and_pull(
    coordinator: Coordinator, size: int = len(VALUE), client: SessionClient | None = None
) -> tuple[SessionClient, str]:
    """Joins as a silo and pulls a work item."""
    client, session_id = join(coordinator, client)
    coordinator.do(lambda backend: backend.offer(SILO, pb.Work(work_id=WORK), size))
    assert pull(client, session_id).work_id == WORK
    return client, session_id


def pull(client: SessionClient, session_id: str) -> pb.Work:
    while True:
        response = client.pull_work(session_id)
        if response.WhichOneof("next") == "work":
            return response.work


def check_unavailable(client: SessionClient) -> None:
    with pytest.raises(FedjobsError) as raised:
        client.join(JOIN)
    assert raised.value.code is ErrorCode.UNAVAILABLE
