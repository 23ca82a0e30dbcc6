"""Runs a worker as a separate process with a real runner and a TLS session, and a minimal coordinator."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from fedjobs_common import digests
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import Peer, server_name
from fedjobs_protocol.transfers.values import unframe
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.protocol.coordinators import JOB, SILO, Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator
from tests.worker.conftest import RunnerHost, wait_until
from tests.worker.shard_builders import sequence, shard, tensor

ROWS = "p0,p1,digit,patient\n1,2,7,b\n3,4,8,a\n5,6,9,b\n"
EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))


class Backend(MemoryCoordinator):
    """Records joins, accepts inline accumulators, and can end the job."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.joins: list[pb.JoinRequest] = []
        self.inline_limit = 64 * 1024
        self.over = ""
        self.slow_to_answer = False

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        self.joins.append(request)
        response = await super().join(peer, request)
        response.heartbeat_seconds, response.inline_limit = 0.2, self.inline_limit
        return response

    async def heartbeat(self, peer: Peer, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        response = await super().heartbeat(peer, request)
        response.cancel |= request.work_id in self._reports  # as the coordinator does
        return response

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        response = await super().pull_work(peer, request)
        if self.slow_to_answer and request.HasField("report"):
            await asyncio.sleep(45)
        if self.over:
            response.over.outcome = self.over
        return response


class Silo:
    """A worker process, and the coordinator's view of it."""

    def __init__(self, folder: Path, coordinator: Coordinator, host: RunnerHost) -> None:
        self.folder = folder
        self.coordinator = coordinator
        self.host = host
        self.process: subprocess.Popen[str] | None = None
        self.datasets = ["digits"]
        self.file: dict[str, object] = {
            "silo": SILO,
            "datasets": {
                "digits": {
                    "source": {"csv": {"path": "*.csv"}},
                    "features": {"columns": ["p0", "p1"]},
                    "label": "digit",
                    "clients": {"column": "patient"},
                }
            },
        }
        (folder / "rows.csv").write_text(ROWS)
        self.options: list[str] = []

    @property
    def backend(self) -> Backend:
        assert isinstance(self.coordinator.backend, Backend)
        return self.coordinator.backend

    def start(self) -> None:
        self.coordinator.identity().save(self.folder / "tls")
        invitation = Invitation(
            job_uid=JOB,
            job_name="digits",
            program="fedavg",
            datasets=self.datasets,
            address=self.coordinator.address,
            server_name=server_name(JOB),
        )
        (self.folder / "invitation.json").write_text(invitation.model_dump_json(by_alias=True))
        (self.folder / "silo.yaml").write_text(yaml.safe_dump(self.file))
        command = [
            sys.executable,
            "-m",
            "fedjobs_worker",
            "--silo-file",
            "silo.yaml",
            "--invitation",
            "invitation.json",
        ]
        command += ["--tls", "tls", "--state", "state", "--runner-socket", self.host.socket, "--audit", "audit.jsonl"]
        command += ["--processes", "processes", "--lifeline", *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(20)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(60)

    def ask(self, work: pb.Work) -> pb.Report:
        """Offers work, and waits for its report."""
        size = work_size(work)
        self.coordinator.do(lambda _: self.backend.offer(SILO, work, size))
        wait_until(lambda: work.work_id in self.coordinator.do(lambda _: self.backend._reports), 60)
        return self.coordinator.do(lambda _: self.backend._reports[work.work_id])

    def audit(self) -> list[dict[str, object]]:
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_until_answered(silo: Silo, work: pb.Work) -> pb.ShardConsent:
    """Waits for the silo's answer to an offer of the work's shard."""

    def answer() -> pb.ShardConsent | None:
        return silo.coordinator.do(lambda _: silo.backend.consents.get((SILO, work.shard.digest)))

    wait_until(answer, 60)
    found = answer()
    assert found is not None
    return found


def work_size(work: pb.Work) -> int:
    """Returns the size of the accumulators: a header plus the size of the input."""
    return 128 + max((blob.size - 128 for blob in work.broadcasts), default=4)


def inline(data: bytes) -> pb.Blob:
    return pb.Blob(digest=digests.raw(digests.digest(data)), size=len(data), inline=data)


def over_digits(work_id: str, work: Callable[..., object] | None = None, **fields: object) -> pb.Work:
    """Returns work that sums all features of the silo's own data."""

    def sum_up(dataset: object) -> list[object]:
        import tensorflow as tf

        return [dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0]))]  # type: ignore[attr-defined]

    selection = pb.ClientInput(selection=pb.Selection(dataset=str(fields.get("dataset", "digits")), seed=7))
    leaf = fields.get("leaf", EXAMPLES)
    return pb.Work(
        work_id=work_id,
        generation=1,
        label="sum",
        shard=inline(shard([], [leaf], work or sum_up)),  # type: ignore[list-item, arg-type]
        client_inputs=[selection],
        clients=pb.Clients(selection=selection.selection),
    )


def total(report: pb.Report) -> float:
    (leaf,) = unframe(report.result.accumulators.inline)
    return float(leaf)  # type: ignore[arg-type]
