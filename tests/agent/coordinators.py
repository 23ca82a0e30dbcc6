"""A coordinator behind the front door, with an identity from the hub."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fedjobs_protocol.identities.identities import Identity, Peer, server_name
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.agent.clusters import until
from tests.agent.federations import SILO, AgentFederation
from tests.protocol.coordinators import Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator


class Backend(MemoryCoordinator):
    """Records who joined, and can end the job."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.joins: list[tuple[Peer, pb.JoinRequest]] = []
        self.over = ""

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        self.joins.append((peer, request))
        return await super().join(peer, request)

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        response = await super().pull_work(peer, request)
        if self.over:
            response.over.outcome = self.over
        return response


class _FixedAuthority:
    """An authority that issues one given identity."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def issue_coordinator(self, *_: object) -> Identity:
        return self._identity


@contextlib.contextmanager
def coordinator_of(federation: AgentFederation, folder: Path, job: str = "digits") -> Iterator[Coordinator]:
    """Runs the job's coordinator."""
    folder.mkdir()
    coordinator = Coordinator(folder, Backend)
    coordinator.authority = _FixedAuthority(federation.coordinator_identity(job))  # type: ignore[assignment]
    with coordinator:
        name = server_name(federation.jobs[job], federation.federation.front_door)
        federation.door.routes[name] = coordinator.address
        yield coordinator


def the_decline(coordinator: Coordinator, job_uid: str) -> pb.Decline:
    """Waits for the first decline of the job, and returns it."""
    backend = coordinator.backend
    assert isinstance(backend, Backend)

    def declines() -> list[tuple[Peer, pb.JoinRequest]]:
        return coordinator.do(lambda _: [each for each in backend.joins if each[1].HasField("decline")])

    (peer, request), *_ = until(declines)
    assert (str(peer.job_uid), peer.silo) == (job_uid, SILO)
    return request.decline


def joins(coordinator: Coordinator) -> list[tuple[Peer, pb.JoinRequest]]:
    """Returns all joins so far."""
    backend = coordinator.backend
    assert isinstance(backend, Backend)
    return coordinator.do(lambda _: list(backend.joins))
