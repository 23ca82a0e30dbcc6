"""Only the main thread imports modules: two threads that import may deadlock."""

from __future__ import annotations

import asyncio
import signal
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_common.jobs.statuses import Phase
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import server_name
from fedjobs_protocol.reports.exclusions import Exclusion
from fedjobs_protocol.reports.reports_client import open_reports
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.transfers.values import frame, unframe
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import ALICE, BOB, JOB
from .coordinator_processes import Container, Process
from .import_recorder import MAIN
from .sites import Silo

pytestmark = pytest.mark.processes

_SIZE = 20_000
"""The number of float32 elements in a value that is too large to be sent inline."""
_PROGRAM = f"""
import numpy as np
import tensorflow_federated as tff
from fedjobs_coordinator.programs.exports import write_result

VECTOR = tff.TensorType(np.float32, [{_SIZE}])
ROWS = tff.SequenceType(np.float32)


@tff.tensorflow.computation(VECTOR, ROWS)
def work(vector, rows):
    return vector * rows.reduce(np.float32(0), lambda a, b: a + b)


@tff.federated_computation(tff.FederatedType(VECTOR, tff.SERVER), tff.FederatedType(ROWS, tff.CLIENTS))
def total(vector, rows):
    return tff.federated_sum(tff.federated_map(work, (tff.federated_broadcast(vector), rows)))


async def main(context):
    selected = context.data("digits").iterator().select_seeded(1)
    state = await context.run(total, np.ones({_SIZE}, np.float32), selected)
    await context.save(1, state)
    context.round_finished(1, {{"first": float(state[0])}})
    write_result(context.result_dir, {{"program": "own"}})
"""


@dataclass(frozen=True)
class Import:
    thread: str
    module: str
    where: str


class Recorded:
    """A coordinator process whose imports are recorded."""

    def __init__(self, folder: Path) -> None:
        self.container = Container(folder, "own_program:main")
        (folder / "program").mkdir()
        (folder / "program/own_program.py").write_text(_PROGRAM)
        self._record = folder / "imports"

    @contextmanager
    def started(self) -> Iterator[Process]:
        module = ["-m", "tests.coordinator.import_recorder", str(self._record)]
        with self.container.started("--metrics", "127.0.0.1:0", python=module) as process:
            process.until_it_listens()
            yield process

    @contextmanager
    def silo(self, name: SiloName) -> Iterator[Silo]:
        identity = self.container.authority.issue_silo(JOB, name)
        with open_channel(self.container.address, server_name(JOB), identity) as channel:
            yield Silo(SessionClient(channel))

    def garbage(self, name: SiloName) -> None:
        """Sends an invalid message, so that gRPC logs an error."""
        identity = self.container.authority.issue_silo(JOB, name)
        with open_channel(self.container.address, server_name(JOB), identity) as channel:
            channel.unary_unary("/fedjobs.v1.Session/Join")(b"\xff" * 9, timeout=60)

    def has(self, module: str) -> bool:
        """Returns whether a thread imports the module or has imported it."""
        return any(found.module == module for found in self._imports())

    def check(self) -> None:
        """Fails if another thread than the main thread has imported something.

        After the program has started, the main thread waits for an executor's threads, and TensorFlow may import its
        own modules there.
        """
        found = self._imports()
        began = next((i for i, each in enumerate(found) if each.module == "own_program"), len(found))
        assert [each for each in found[:began] if each.thread != MAIN] == []
        tensorflow = ("tensorflow.", "keras.")
        assert [e for e in found[began:] if e.thread != MAIN and not e.module.startswith(tensorflow)] == []

    def _imports(self) -> list[Import]:
        text = self._record.read_text()
        return [Import(*line.split("\t")) for line in text[: text.rfind("\n") + 1].splitlines()]


def test_calls_of_silos_and_the_operator_import_nothing(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    container = recorded.container
    with recorded.started() as process, recorded.silo(ALICE) as alice, recorded.silo(BOB) as bob:
        process.until(lambda: recorded.has("tensorflow_federated"), "the coordinator imports TensorFlow Federated")
        with ThreadPoolExecutor(1) as pool:
            alice.join(asked=True)
            waiting = pool.submit(alice.pull)
            bob.join()
            bob.client.heartbeat(bob.session_id)
            bob.join("not for you")
            for mistake in _invalid_calls(bob):
                with pytest.raises(FedjobsError):
                    mistake()
            with pytest.raises(grpc.RpcError):
                recorded.garbage(ALICE)
            asyncio.run(_as_operator(container))
            assert "fedjobs_coordinator_silos" in _got(container, "metrics")
            assert _got(container, "healthz") == "ok\n"
            _take_part(alice, waiting.result())
        assert process.ended() == 0
    assert (container.final_word.phase, container.final_word.round) == (Phase.COMPLETE, 1)
    assert container.status.metrics == {"first": 3.0}
    recorded.check()


def test_sigterm_imports_nothing(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    with recorded.started() as process, recorded.silo(ALICE) as alice, ThreadPoolExecutor(1) as pool:
        alice.join()
        waiting = pool.submit(alice.pull)
        process.until(lambda: recorded.has("tensorflow_federated"), "the coordinator imports TensorFlow Federated")
        process.send(signal.SIGTERM)
        assert waiting.result().over.outcome == "Suspended"
        assert process.ended() == 75
    recorded.check()


def _invalid_calls(silo: Silo) -> Iterator[Callable[[], object]]:
    """Yields calls that a coordinator refuses."""
    digest, session = bytes(32), silo.session_id
    yield lambda: silo.client.heartbeat("of another time")
    yield lambda: silo.client.fetch_blob(session, digest, 1, bytearray().extend)
    yield lambda: silo.client.put_blob(session, "ab" * 32, b"nobody asked")
    yield lambda: silo.client.join(pb.JoinRequest(protocol_versions=[99], shard_formats=[1]))


async def _as_operator(container: Container) -> None:
    identity = container.authority.issue_operator()
    async with open_reports(container.address, server_name(JOB), identity) as reports:
        await reports.exclude([Exclusion(BOB, ErrorCode.SILO_SUSPENDED, "The federation has suspended it.")])
        async with aclosing(reports.watch()) as statuses:  # type: ignore[type-var]
            assert (await anext(statuses)).job_uid == JOB


def _got(container: Container, what: str) -> str:
    port = next(line["port"] for line in container.log if "port" in line)
    return str(urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}", timeout=60).read().decode())


def _take_part(silo: Silo, answer: pb.PullWorkResponse) -> None:
    """Takes part until the job ends: consents, fetches inputs, and sends accumulators too large for a report."""
    while not answer.HasField("over"):
        report = None
        if answer.HasField("offer"):
            consents = [
                pb.ShardConsent(shard=offered.shard.digest, scope=offered.scope, approved=pb.Approved())
                for offered in answer.offer.shards
            ]
            silo.client.consent(silo.session_id, consents)
        elif answer.HasField("work"):
            report = _do_work(silo, answer.work)
        answer = silo.pull(report)


def _do_work(silo: Silo, work: pb.Work) -> pb.Report:
    (broadcast,) = work.broadcasts
    came = bytearray()
    silo.client.fetch_blob(silo.session_id, broadcast.digest, broadcast.size, came.extend)
    (vector,) = unframe(bytes(came))
    accumulator = frame([np.float32(3) * vector]).tobytes()
    digest = silo.client.put_blob(silo.session_id, work.work_id, accumulator)
    result = pb.Result(accumulators=pb.Blob(digest=digest, size=len(accumulator)), clients=2, device="cpu")
    return pb.Report(work_id=work.work_id, generation=work.generation, result=result)
