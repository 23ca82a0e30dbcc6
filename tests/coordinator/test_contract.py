"""The coordinator's sessions pass the contract suite of all coordinators."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from fedjobs_common import digests
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Generation, JobUid, SiloName, WorkId
from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredBlob
from fedjobs_coordinator.aggregation.outcomes import RoundOutcomes
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Consents, Offered
from fedjobs_coordinator.sessions.roster import Roster
from fedjobs_coordinator.sessions.sessions import Sessions
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.transfers.blobs import Upload
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.protocol.coordinators import JOB, SILO, BackendFactory
from tests.protocol.session_contract import OTHER_SILO, SessionContract


class _Observed(Sessions):
    """Sessions that record calls for the suite."""

    def __init__(self, generation: Generation, roster: Roster, reports: ReportStore) -> None:
        super().__init__(JobUid(JOB), generation, roster, reports, Consents(time.monotonic), poll_s=0.2)
        self.uploaded: dict[tuple[str, str], bytes] = {}
        self.bytes: Counter[tuple[str, str]] = Counter()

    async def upload_finished(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, ok: bool) -> None:
        if ok:
            self.uploaded[peer.silo, header.work_id] = upload.path.read_bytes()

    def transferred(self, peer: Peer, *, down: int = 0, up: int = 0) -> None:
        super().transferred(peer, down=down, up=up)
        self.bytes[peer.silo, "down"] += down
        self.bytes[peer.silo, "up"] += up


class _Backend:
    """See `tests.protocol.coordinators.Backend`."""

    def __init__(self, directory: Path) -> None:
        starts = directory / "starts"
        generation = len(starts.read_bytes()) + 1 if starts.exists() else 1
        starts.write_bytes(bytes(generation))
        spares = FilePool(directory / "spares", most=4)
        self._store = BlobStore(directory / "values", spares)
        roster = Roster([SILO, OTHER_SILO], time.monotonic, lambda *_: None)
        self.handler = _Observed(Generation(generation), roster, ReportStore(directory / "reports", spares))
        self._offered: dict[str, RoundOutcomes] = {}

    def offer(self, silo: str, work: pb.Work, accumulator_bytes: int = 0) -> None:
        self._assign(silo, work, {}, accumulator_bytes)

    def propose(self, silo: str, shard: pb.OfferedShard) -> None:
        del silo  # all silos get the offer
        self.handler.offer([Offered(shard)])

    def publish(self, silo: str, data: bytes) -> bytes:
        writer = self._store.writer()
        writer.write(data)
        blob = writer.finish()
        raw = digests.raw(blob.digest)
        self._assign(silo, pb.Work(work_id="cd" * 32), {raw: blob}, 0)
        return raw

    def received(self, silo: str, work_id: str) -> bytes | None:
        return self.handler.uploaded.get((silo, work_id))

    def reports(self) -> list[pb.Report]:
        return [pb.Report(work_id=work_id) for work_id, c in self._offered.items() if c.received()]

    def transferred_bytes(self, silo: str) -> tuple[int, int]:
        return self.handler.bytes[silo, "down"], self.handler.bytes[silo, "up"]

    def _assign(self, silo: str, work: pb.Work, blobs: dict[bytes, StoredBlob], largest: int) -> None:
        outcomes = self._offered[work.work_id] = RoundOutcomes()
        work_id, name = WorkId(work.work_id), SiloName(silo)
        self.handler.assign([Assignment(name, work_id, work, blobs, (), largest, outcomes)])


class TestSessions(SessionContract):
    @pytest.fixture
    def make_backend(self) -> BackendFactory:
        return _Backend
