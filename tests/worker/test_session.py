"""A worker in a process of its own, with a real runner and a real session over TLS; the smallest coordinator."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from fedjobs_protocol import digests
from fedjobs_protocol.identities import Peer, server_name
from fedjobs_protocol.invitations import Invitation
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.values import frame, unframe
from fedjobs_worker import last_words
from fedjobs_worker.last_words import LastWord, Outcome

from tests.protocol.coordinators import JOB, SILO, Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator
from tests.worker.conftest import RunnerHost, wait_until
from tests.worker.shard_builders import sequence, shard, tensor

pytestmark = pytest.mark.processes

ROWS = "p0,p1,digit,patient\n1,2,7,b\n3,4,8,a\n5,6,9,b\n"
EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))


class Backend(MemoryCoordinator):
    """Remembers joins, takes inline accumulators, and can end the job."""

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
    """A worker process and what the coordinator sees of it."""

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
            command, cwd=self.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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


def work_size(work: pb.Work) -> int:
    """Of the accumulators: a header and what comes down."""
    return 128 + max((blob.size - 128 for blob in work.broadcasts), default=4)


@pytest.fixture
def silo(tmp_path: Path, runner_host: RunnerHost) -> Iterator[Silo]:
    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", Backend) as coordinator:
        silo = Silo(tmp_path, coordinator, runner_host)
        yield silo
        silo.stop()


def inline(data: bytes) -> pb.Blob:
    return pb.Blob(digest=digests.raw(digests.digest(data)), size=len(data), inline=data)


def over_digits(work_id: str, work: Callable[..., object] | None = None, **fields: object) -> pb.Work:
    """The sum of all features, over the silo's own data."""

    def sum_up(dataset: object) -> list[object]:
        import tensorflow as tf

        return [dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0]))]  # type: ignore[attr-defined]

    selection = pb.ClientInput(selection=pb.Selection(dataset=str(fields.get("dataset", "digits")), seed=7))
    leaf = fields.get("leaf", EXAMPLES)
    return pb.Work(
        work_id=work_id,
        epoch=1,
        label="sum",
        shard=inline(shard([], [leaf], work or sum_up)),  # type: ignore[list-item, arg-type]
        client_inputs=[selection],
    )


def total(report: pb.Report) -> float:
    (leaf,) = unframe(report.result.accumulators.inline)
    return float(leaf)  # type: ignore[arg-type]


def test_a_silo_works_on_its_own_data_until_the_job_is_over(silo: Silo) -> None:
    silo.start()
    asked = over_digits("1")
    report = silo.ask(asked)
    assert (total(report), report.result.clients, report.result.device) == (21, 2, "cpu")
    assert report.epoch == 1
    silo.backend.over = "Complete"
    assert silo.wait() == 0
    invitation, work = silo.audit()
    assert (invitation["subject"], invitation["decision"]) == ("invitation", "allowed")
    assert (work["subject"], work["decision"], work["clients"]) == ("work", "allowed", 2)
    assert work["shard"] == asked.shard.digest.hex()


def test_large_values_go_as_blobs_both_ways_and_survive_a_restart_of_the_coordinator(silo: Silo) -> None:
    silo.start()
    value = np.arange(1 << 20, dtype=np.float32)
    framed = frame([value]).tobytes()
    serialized = shard([tensor("float32", 1 << 20)], [], lambda x: [x + 1.0], tensor("float32", 1 << 20))
    for attempt in (1, 2):
        digest = silo.coordinator.do(lambda backend: backend.publish(SILO, framed))
        work = pb.Work(work_id=str(attempt), epoch=attempt, label="add one", shard=inline(serialized), clients=1)
        work.broadcasts.append(pb.Blob(digest=digest, size=len(framed)))
        report = silo.ask(work)
        received = silo.coordinator.do(lambda backend, name=str(attempt): backend.received(SILO, name))
        assert received is not None
        assert digests.raw(digests.digest(received)) == report.result.accumulators.digest
        np.testing.assert_array_equal(unframe(received)[0], value + 1)
        if attempt == 1:
            silo.coordinator.restart()
    down, _ = silo.backend.transferred_bytes(SILO)
    assert down < len(framed)  # it was still here


def test_a_work_item_that_comes_again_is_answered_without_running(silo: Silo) -> None:
    silo.start()
    first = silo.ask(over_digits("1"))
    silo.coordinator.do(lambda _: silo.backend._reports.clear())
    again = silo.ask(over_digits("1"))
    assert again.result == first.result
    assert len(silo.audit()) == 2


def test_a_killed_runner_costs_nothing_but_time(silo: Silo) -> None:
    silo.start()
    silo.ask(over_digits("1"))
    for runner in silo.host.runners():
        runner.kill()
    assert total(silo.ask(over_digits("2"))) == 21


@pytest.mark.parametrize(
    ("policy", "rule", "message"),
    [
        ({"operations": {"refuse": ["ReduceDataset"]}}, "policy.operations", "uses ReduceDataset"),
        ({"minClients": 3}, "policy.minClients", "has 2 local clients"),
    ],
)
def test_a_refusal_names_its_rule_and_is_audited(silo: Silo, policy: object, rule: str, message: str) -> None:
    silo.file["policy"] = policy
    silo.start()
    report = silo.ask(over_digits("1"))
    assert report.refusal.rule == rule
    assert message in report.refusal.message
    assert [(line["decision"], line.get("rule")) for line in silo.audit()][1:] == [("refused", rule)]


def test_a_dataset_that_was_not_in_the_invitation_is_judged_too(silo: Silo) -> None:
    silo.start()
    report = silo.ask(over_digits("1", dataset="x-rays"))
    assert report.refusal.rule == "datasets"
    assert "does not offer a dataset 'x-rays'; it offers digits" in report.refusal.message


def test_an_invitation_that_the_policy_declines_is_declined(silo: Silo) -> None:
    silo.datasets = ["x-rays"]
    silo.start()
    assert silo.wait() == 0
    (join,) = silo.backend.joins
    assert join.decline.rule == "datasets"
    assert "'x-rays'" in join.decline.message


@pytest.mark.parametrize(
    ("rows", "leaf", "code", "message"),
    [
        (None, EXAMPLES, "DataNotFound", "*.csv"),
        (ROWS.replace("digit", "label"), EXAMPLES, "DataDoesNotFit", "has no column 'digit'; it has p0, p1, label"),
        (ROWS.replace("3,4", "3,x"), EXAMPLES, "DataMalformed", "rows.csv, row 3, column 'p1'"),
        (
            ROWS,
            sequence(x=tensor("float32", 3), y=tensor("int32")),
            "DataDoesNotFit",
            "dataset 'digits' of silo hospital-a has x: float32[2], the computation asks for float32[3]",
        ),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_are_reported(
    silo: Silo, rows: str | None, leaf: object, code: str, message: str
) -> None:
    path = silo.folder / "rows.csv"
    path.unlink() if rows is None else path.write_text(rows)
    silo.start()

    def count(dataset: object) -> list[object]:
        return [dataset.reduce(0.0, lambda total, _: total + 1.0)]  # type: ignore[attr-defined]

    report = silo.ask(over_digits("1", count, leaf=leaf))
    assert (report.failure.code, report.failure.retryable) == (code, False)
    assert message in report.failure.message


def test_data_that_were_mended_are_read_again(silo: Silo) -> None:
    (silo.folder / "rows.csv").write_text(ROWS.replace("3,4", "3,x"))
    silo.start()
    assert silo.ask(over_digits("1")).failure.code == "DataMalformed"
    (silo.folder / "rows.csv").write_text(ROWS)
    assert total(silo.ask(over_digits("2"))) == 21


def test_a_silo_without_examples_sends_nothing(silo: Silo) -> None:
    (silo.folder / "rows.csv").write_text("p0,p1,digit,patient\n")
    silo.start()
    report = silo.ask(over_digits("1"))
    assert report.WhichOneof("outcome") == "result"
    assert (report.result.clients, report.result.accumulators.size) == (0, 0)


def test_work_of_a_lower_epoch_is_not_done(silo: Silo) -> None:
    silo.start()
    silo.ask(over_digits("1"))
    silo.coordinator.restart()
    silo.ask(_of_epoch(over_digits("2"), 2))
    stale = _of_epoch(over_digits("3"), 1)
    silo.coordinator.do(lambda backend: backend.offer(SILO, stale, 128))
    assert total(silo.ask(_of_epoch(over_digits("4"), 2))) == 21
    assert "3" not in silo.coordinator.do(lambda _: silo.backend._reports)


def _of_epoch(work: pb.Work, epoch: int) -> pb.Work:
    work.epoch = epoch
    return work


def test_work_that_is_not_wanted_any_more_is_ended(silo: Silo) -> None:
    silo.start()

    def endless(dataset: object) -> list[object]:
        import tensorflow as tf

        del dataset
        return [tf.data.Dataset.range(1 << 50).reduce(0.0, lambda total, _: total + 1.0)]

    silo.coordinator.do(lambda backend: backend.offer(SILO, over_digits("endless", endless), 128))
    wait_until(lambda: len(silo.audit()) == 2, 60)
    silo.coordinator.do(lambda _: silo.backend._sizes.clear())  # the heartbeat's answer is now: cancel
    assert total(silo.ask(over_digits("1"))) == 21


def last_word(silo: Silo) -> LastWord | None:
    return last_words.parse((silo.folder / "last-word").read_text())


@pytest.mark.parametrize("outcome", ["Complete", "Failed", "Suspended"])
def test_how_the_job_ended_is_the_workers_last_word(silo: Silo, outcome: str) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.backend.over = outcome
    silo.start()
    assert silo.wait() == 0
    assert last_word(silo) == LastWord(outcome=Outcome(outcome))


def test_a_worker_that_declined_says_so(silo: Silo) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.datasets = ["x-rays"]
    silo.start()
    assert silo.wait() == 0
    assert last_word(silo) == LastWord(outcome=Outcome.DECLINED)


def test_an_error_is_its_last_word_too(silo: Silo) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.file["dataset"] = {}
    silo.start()
    assert silo.wait() == 3
    word = last_word(silo)
    assert word is not None
    assert (word.outcome, word.code) == (Outcome.ERROR, "InvalidSiloFile")


def test_another_address_is_dialled_where_the_silo_says_so(silo: Silo) -> None:
    with silo.coordinator.link() as link:
        silo.options = ["--dial", link.address]
        link.cut_after(1 << 30)
        silo.start()
        silo.ask(over_digits("1"))
        assert link._cut_after is not None
        assert link._cut_after < 1 << 30


def test_the_note_stands_beside_the_device(silo: Silo) -> None:
    silo.options = ["--device-note", "no GPU was free"]
    silo.start()
    assert silo.ask(over_digits("1")).result.device == "cpu (no GPU was free)"


def test_metrics_and_health_are_served(silo: Silo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    silo.options = ["--metrics", address]
    silo.start()
    silo.ask(over_digits("1"))

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    assert get("/healthz") == "ok\n"
    wait_until(lambda: 'fedjobs_worker_works_total{outcome="result"} 1.0' in get("/metrics"))
    (up,) = re.findall(r'bytes_total\{direction="up"\} (\S+)', get("/metrics"))
    assert float(up) > 0


def test_what_is_in_hand_is_delivered_before_the_worker_ends(silo: Silo) -> None:
    silo.options = ["--grace", "60", "--termination-message", "last-word"]
    silo.start()
    wait_until(lambda: silo.backend.joins)

    def slow(dataset: object) -> list[object]:
        import tensorflow as tf

        many = tf.data.Dataset.range(300_000).reduce(0.0, lambda total, _: total + 1.0)
        return [dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0])) + 0 * many]  # type: ignore[attr-defined]

    work = over_digits("slow", slow)
    silo.coordinator.do(lambda _: silo.backend.offer(SILO, work, work_size(work)))
    wait_until(lambda: len(silo.audit()) == 2, 60)  # it was allowed, and begins
    assert silo.process is not None
    silo.process.terminate()
    assert silo.wait() == 75
    assert "slow" in silo.coordinator.do(lambda _: silo.backend._reports)
    assert last_word(silo) == LastWord(outcome=Outcome.INTERRUPTED)


def test_a_report_whose_answer_is_waited_for_was_delivered(silo: Silo) -> None:
    """The coordinator answers a report with the next work: there may be none for long."""
    silo.options = ["--grace", "60"]
    silo.backend.slow_to_answer = True
    silo.start()
    work = over_digits("1")
    silo.coordinator.do(lambda _: silo.backend.offer(SILO, work, work_size(work)))
    wait_until(lambda: "1" in silo.coordinator.do(lambda _: silo.backend._reports), 60)
    assert silo.process is not None
    silo.process.terminate()
    assert silo.wait() == 75


def test_an_invalid_silo_file_ends_the_process_with_3_and_one_line(silo: Silo) -> None:
    silo.file["dataset"] = {}
    silo.start()
    assert silo.wait() == 3
    assert silo.process is not None
    assert silo.process.stderr is not None
    output = silo.process.stderr.read()
    assert "unknown field dataset. Did you mean 'datasets'?" in output
    assert "Traceback" not in output


def test_the_worker_ends_with_its_parent(silo: Silo) -> None:
    silo.start()
    wait_until(lambda: silo.backend.joins)
    assert silo.process is not None
    assert silo.process.stdin is not None
    silo.process.stdin.close()
    assert silo.wait() == 0
    wait_until(lambda: not list((silo.folder / "processes").glob("*.json")))


def test_the_session_imports_neither_tensorflow_nor_what_reads_data() -> None:
    code = "import sys, fedjobs_worker.__main__; print({'tensorflow', 'pyarrow', 'fsspec'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
