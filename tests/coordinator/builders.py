"""Builds parts of a coordinator for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fedjobs_common import digests
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Generation, JobUid, SiloName, WorkId
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredBlob
from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report, RoundOutcomes
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Consents
from fedjobs_coordinator.sessions.roster import Roster
from fedjobs_coordinator.sessions.sessions import Sessions
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.transfers.blobs import Upload
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor

JOB = "0f8e7d6c-5b4a-4938-a716-253443526170"
ALICE, BOB = SiloName("alice"), SiloName("bob")
WORK, OTHER_WORK = WorkId("ab" * 32), WorkId("cd" * 32)
JOIN = pb.JoinRequest(protocol_versions=[1], shard_formats=[1])
JOIN_2 = pb.JoinRequest(protocol_versions=[1, 2], shard_formats=[1])
VALUES: npt.NDArray[Any] = np.arange(1000, dtype=np.float32)
TYPES = (Leaf(name="sum", tensor=Tensor(dtype="float32", shape=VALUES.shape)),)
FRAMED = frame([VALUES]).tobytes()


def a_job(
    silos: Sequence[str] = ("alice", "bob"), least: int = 1, goal: int | None = None, deadline: float = 20
) -> Any:
    return ResolvedJob(
        uid=JOB,
        name="digits",
        program=ResolvedProgram(name="fedavg"),
        dataset="digits",
        silos=list(silos),
        cohort=ResolvedCohort(min_silos=least, goal_silos=goal or len(silos), round_deadline_seconds=deadline),
    )


def an_assignment(
    silo: SiloName,
    work_id: WorkId = WORK,
    blobs: Mapping[bytes, StoredBlob] | None = None,
    accumulators: tuple[Leaf, ...] = TYPES,
    largest: int = 2 * len(FRAMED),
) -> Assignment:
    work = pb.Work(work_id=work_id)
    return Assignment(silo, work_id, work, blobs or {}, accumulators, largest, RoundOutcomes())


class Desk:
    """A coordinator's sessions without a server. The silos' calls run one after the other in an event loop."""

    def __init__(self, folder: Path) -> None:
        self.time = 0.0
        self.events: list[tuple[SiloName, SiloState, str, str]] = []
        self.spares = FilePool(folder / "spares", most=4)
        self.store = BlobStore(folder / "values", self.spares)
        self.reports = ReportStore(folder / "reports", self.spares)
        self.folder = folder
        self.roster = Roster([ALICE, BOB], lambda: self.time, lambda *event: self.events.append(event))
        self.consents = Consents(lambda: self.time)
        self.sessions = Sessions(
            JobUid(JOB), Generation(3), self.roster, self.reports, self.consents, 0.05, now=lambda: self.time
        )

    def files(self) -> list[str]:
        """The files of finished and unfinished reports."""
        return sorted(path.name for path in (self.folder / "reports").iterdir())

    def assign(self, assignment: Assignment) -> Assignment:
        self.sessions.assign([assignment])
        return assignment

    async def join(self, silo: SiloName, request: pb.JoinRequest = JOIN) -> str:
        return (await self.sessions.join(peer(silo), request)).session_id

    async def report(self, silo: SiloName, report: pb.Report) -> pb.PullWorkResponse:
        """Joins with a report, and returns the response."""
        request = pb.PullWorkRequest(session_id=await self.join(silo), report=report)
        return await self.sessions.pull_work(peer(silo), request)

    async def upload(self, silo: SiloName, content: bytes = FRAMED, work_id: str = WORK, size: int = -1) -> Upload:
        """Joins, and uploads everything except the digest."""
        size = len(content) if size < 0 else size
        header = pb.PutBlobHeader(session_id=await self.join(silo), work_id=work_id, size=size)
        upload = await self.sessions.open_upload(peer(silo), header)
        upload.write(content)
        return upload

    def state(self, silo: SiloName) -> SiloState:
        return next(row.state for row in self.roster.rows() if row.name == silo)


def peer(silo: str) -> Peer:
    return Peer(JobUid(JOB), SiloName(silo))


def a_result(content: bytes | None = FRAMED, work_id: str = WORK, digest: bytes | None = None) -> pb.Report:
    """Returns a report with inline accumulators, or one that refers to uploaded accumulators with this digest."""
    blob = pb.Blob(digest=digests.raw(digests.digest(content or b"")) if digest is None else digest)
    if digest is None:
        blob.inline = content or b""
    return pb.Report(work_id=work_id, result=pb.Result(accumulators=blob, clients=2, device="cpu"))


def outcome(assignment: Assignment) -> Outcome | None:
    return assignment.outcomes.received().get(assignment.silo)


def failure(assignment: Assignment) -> Failure:
    found = outcome(assignment)
    assert isinstance(found, Failure)
    return found


def taken(assignment: Assignment) -> Report:
    found = outcome(assignment)
    assert isinstance(found, Report)
    return found


def a_decline(message: str = "not for you") -> pb.JoinRequest:
    """Returns a Join that declines the job by a rule of the silo."""
    return pb.JoinRequest(
        protocol_versions=[1], shard_formats=[1], decline=pb.Decline(rule="requesters", message=message)
    )
