"""Runs coordinators in a folder, and silos that connect by mutual TLS on the loopback interface."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from fedjobs_common import digests
from fedjobs_common.errors import FedjobsError
from fedjobs_common.ids import Digest, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase, Status
from fedjobs_coordinator.coordinator import Coordinator
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.work_identities import InvocationId
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import RunAuthority, server_name
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import JOB, JOIN, JOIN_2, a_job

OFFERED = Offered(
    pb.OfferedShard(
        shard=pb.Blob(digest=b"Z" * 32, size=1, inline=b"Z"), label="sum", datasets=["digits"], clients="digits"
    )
)
SHARD = OFFERED.digest
OTHER_SHARD = Digest("00" * 32)
Result = TypeVar("Result")


class Silo:
    """A silo that joins and responds as the test says."""

    def __init__(self, client: SessionClient) -> None:
        self.client = client
        self.session_id = ""

    def join(self, decline: str = "", *, asked: bool = False) -> Silo:
        """Opens a new session. With `asked`, the silo answers offers of shards."""
        request = pb.JoinRequest()
        request.CopyFrom(JOIN_2 if asked else JOIN)
        if decline:
            request.decline.CopyFrom(pb.Decline(rule="requesters", message=decline))
        self.session_id = self.client.join(request).session_id
        return self

    def pull(self, report: pb.Report | None = None) -> pb.PullWorkResponse:
        return self.client.pull_work(self.session_id, report)

    def approve(self, shard: Digest = SHARD) -> None:
        """Consents to a shard."""
        self._answer(pb.ShardConsent(approved=pb.Approved()), shard)

    def await_people(self) -> None:
        """Answers that a person must approve SHARD first."""
        self._answer(pb.ShardConsent(awaiting=pb.Awaiting(rule="approval", message="a person", seconds_left=1e6)))

    def _answer(self, consent: pb.ShardConsent, shard: Digest = SHARD) -> None:
        consent.shard = digests.raw(shard)
        self.client.consent(self.session_id, [consent])


CALL = InvocationId("a-call", 1)


def offers() -> list[Offered]:
    return [OFFERED]


def cohort_of(coordinator: Coordinator, shard: Digest = SHARD, call: InvocationId = CALL) -> list[SiloName]:
    """Waits for the cohort of a call whose plan has one shard."""
    return coordinator.cohort(call, (shard,), offers)


class Site:
    """A folder for coordinators, and silos that can connect to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = RunAuthority.create()
        self.pool = ThreadPoolExecutor(4)
        self.resources = contextlib.ExitStack()
        self.clock: Callable[[], float] = time.monotonic
        """The clock of the coordinators that are started next."""
        self._open: list[Coordinator] = []

    def start(self, job: ResolvedJob | None = None, listen: str = "127.0.0.1:0") -> Coordinator:
        identity = self.authority.issue_coordinator(JOB, server_name(JOB))
        coordinator = Coordinator(job or a_job(), lambda: identity, self.folder, listen, now=lambda: self.clock())
        self._open.append(coordinator)
        return coordinator

    def close(self, coordinator: Coordinator, outcome: str = "Suspended") -> None:
        self._open.remove(coordinator)
        coordinator.stop()  # ends threads that still wait after a failed test
        coordinator.close(outcome)

    def close_all(self) -> None:
        for coordinator in list(self._open):
            self.close(coordinator)

    def silo(self, coordinator: Coordinator, name: SiloName) -> Silo:
        identity = self.authority.issue_silo(JOB, name)
        channel = self.resources.enter_context(open_channel(coordinator.address, server_name(JOB), identity))
        return Silo(SessionClient(channel))

    def meanwhile(self, call: Callable[..., Result], *arguments: object) -> Future[Result]:
        return self.pool.submit(call, *arguments)

    def is_waiting(self) -> bool:
        return (self.folder / "status.json").exists() and self.status().phase is Phase.WAITING_FOR_SILOS

    def status(self) -> Status:
        return Status.model_validate_json((self.folder / "status.json").read_bytes())


def raised_by(call: Callable[[], object]) -> FedjobsError:
    with pytest.raises(FedjobsError) as raised:
        call()
    return raised.value


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.01)
