"""A minimal coordinator that fulfils the session's contract. It stores everything except uploads in memory."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.transfers.blobs import BlobSource, Upload
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.versions import OFFERS_SINCE, PROTOCOL_VERSIONS, SHARD_FORMATS, negotiate

_POLL_S = 0.2


class MemoryCoordinator:
    """Both handler and backend (see `session_contract.Backend`)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.handler = self
        starts = directory / "starts"
        self._generation = len(starts.read_bytes()) + 1 if starts.exists() else 1
        starts.write_bytes(bytes(self._generation))
        self._sessions: dict[str, str] = {}
        self._asked: dict[str, bool] = {}
        self._work: dict[str, list[pb.Work]] = {}
        self._sizes: dict[tuple[str, str], int] = {}
        self._uploads: dict[tuple[str, str], Upload] = {}
        self._received: set[tuple[str, str]] = set()
        self._blobs: dict[tuple[str, bytes], bytes] = {}
        self._reports: dict[str, pb.Report] = {}
        self._proposed: dict[str, list[pb.OfferedShard]] = {}
        self.consents: dict[tuple[str, bytes], pb.ShardConsent] = {}
        """The latest answer about each shard."""
        self.answers: dict[tuple[str, bytes, str], pb.ShardConsent] = {}
        """The latest answer to each offer, by its shard and its scope."""
        self._offered = asyncio.Event()
        self.bytes: Counter[tuple[str, str]] = Counter()

    # The suite calls these methods directly.

    def offer(self, silo: str, work: pb.Work, accumulator_bytes: int = 0) -> None:
        self._work.setdefault(silo, []).append(work)
        self._sizes[silo, work.work_id] = accumulator_bytes
        self._offered.set()

    def propose(self, silo: str, shard: pb.OfferedShard) -> None:
        """Offers a shard to the silo."""
        self._proposed.setdefault(silo, []).append(shard)
        self._offered.set()

    def publish(self, silo: str, data: bytes) -> bytes:
        digest = digests.raw(digests.digest(data))
        self._blobs[silo, digest] = data
        return digest

    def received(self, silo: str, work_id: str) -> bytes | None:
        return self._uploads[silo, work_id].path.read_bytes() if (silo, work_id) in self._received else None

    def reports(self) -> list[pb.Report]:
        return list(self._reports.values())

    def transferred_bytes(self, silo: str) -> tuple[int, int]:
        return self.bytes[silo, "down"], self.bytes[silo, "up"]

    # The session's handler.

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        version = negotiate(PROTOCOL_VERSIONS, request.protocol_versions, "protocol")
        shard_format = negotiate(SHARD_FORMATS, request.shard_formats, "shard format")
        number = int(self._sessions.get(peer.silo, "0").rpartition(".")[2]) + 1
        self._sessions[peer.silo] = session_id = f"{self._generation}.{number}"
        self._asked[peer.silo] = version >= OFFERS_SINCE
        return pb.JoinResponse(
            protocol_version=version,
            shard_format=shard_format,
            job_uid=peer.job_uid,
            generation=self._generation,
            session_id=session_id,
        )

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        self._check_session(peer, request.session_id)
        response = pb.PullWorkResponse()
        if request.HasField("report"):
            response.acknowledged_work_id = request.report.work_id
            self._reports.setdefault(request.report.work_id, request.report)
            return response
        try:
            async with asyncio.timeout(_POLL_S):
                while not self._work.get(peer.silo) and not self._unanswered(peer.silo):
                    self._offered.clear()
                    await self._offered.wait()
        except TimeoutError:
            return response
        if unanswered := self._unanswered(peer.silo):
            response.offer.shards.extend(unanswered)
        else:
            response.work.CopyFrom(self._work[peer.silo].pop(0))
        return response

    async def consent(self, peer: Peer, request: pb.ConsentRequest) -> pb.ConsentResponse:
        self._check_session(peer, request.session_id)
        self.consents |= {(peer.silo, consent.shard): consent for consent in request.consents}
        self.answers |= {(peer.silo, c.shard, c.scope): c for c in request.consents}
        return pb.ConsentResponse()

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        self._check_session(peer, request.session_id)
        return pb.HeartbeatResponse(cancel=bool(request.work_id) and (peer.silo, request.work_id) not in self._sizes)

    async def stat_blob(self, peer: Peer, request: pb.StatBlobRequest) -> pb.StatBlobResponse:
        self._check_session(peer, request.session_id)
        return pb.StatBlobResponse(committed=self._upload(peer.silo, request.work_id).committed)

    async def open_blob(self, peer: Peer, request: pb.FetchBlobRequest) -> BlobSource:
        self._check_session(peer, request.session_id)
        if (data := self._blobs.get((peer.silo, request.digest))) is None:
            raise FedjobsError(ErrorCode.BLOB_NOT_FOUND, "There is no such blob.")
        fd = os.memfd_create("blob")
        os.write(fd, data)
        return BlobSource(fd, len(data), released=lambda: os.close(fd))

    async def open_upload(self, peer: Peer, header: pb.PutBlobHeader) -> Upload:
        self._check_session(peer, header.session_id)
        return self._upload(peer.silo, header.work_id)

    async def upload_finished(self, peer: Peer, header: pb.PutBlobHeader, upload: Upload, ok: bool) -> None:
        if ok:
            self._received.add((peer.silo, header.work_id))

    def transferred(self, peer: Peer, *, down: int = 0, up: int = 0) -> None:
        self.bytes[peer.silo, "down"] += down
        self.bytes[peer.silo, "up"] += up

    def _unanswered(self, silo: str) -> list[pb.OfferedShard]:
        proposed = self._proposed.get(silo, []) if self._asked.get(silo) else []
        return [each for each in proposed if (silo, each.shard.digest, each.scope) not in self.answers]

    def _check_session(self, peer: Peer, session_id: str) -> None:
        if self._sessions.get(peer.silo) == session_id:
            return
        code = ErrorCode.SESSION_SUPERSEDED if peer.silo in self._sessions else ErrorCode.SESSION_NOT_FOUND
        raise FedjobsError(code, f"Session {session_id} of silo {peer.silo} is over.", "Join again.")

    def _upload(self, silo: str, work_id: str) -> Upload:
        if (size := self._sizes.get((silo, work_id))) is None:
            raise FedjobsError(ErrorCode.WORK_NOT_FOUND, f"Silo {silo} has no work {work_id}.")
        key = silo, work_id
        if key not in self._uploads:
            self._uploads[key] = Upload(self.directory / f"{silo}.{work_id}.part", size)
        return self._uploads[key]
