"""A silo's worker in a job: a process, a runner and a session over TLS, with a minimal coordinator."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_common import digests
from fedjobs_protocol.transfers.values import frame, unframe
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.protocol.coordinators import SILO
from tests.worker.conftest import wait_until
from tests.worker.shard_builders import sequence, shard, tensor
from tests.worker.silo_processes import EXAMPLES, ROWS, Silo, inline, over_digits, total

pytestmark = pytest.mark.processes

_OPERATIONS = "policy.computations.operations"


def test_a_silo_works_on_its_own_data_until_the_job_ends(silo: Silo) -> None:
    silo.start()
    asked = over_digits("1")
    report = silo.ask(asked)
    assert (total(report), report.result.clients, report.result.device) == (21, 2, "cpu")
    assert report.generation == 1
    silo.backend.over = "Complete"
    assert silo.wait() == 0
    invitation, computation, work, result = silo.audit()
    assert (invitation["subject"], invitation["decision"]) == ("invitation", "allowed")
    assert (work["subject"], work["decision"], work["clients"]) == ("work", "allowed", 2)
    assert work["shard"] == computation["shard"] == asked.shard.digest.hex()
    assert (computation["subject"], computation["decision"]) == ("computation", "allowed")
    assert (result["subject"], result["clients"], result["work"]) == ("result", 2, "1")
    assert result["bytes"] == report.result.accumulators.size


def test_large_values_are_blobs_and_survive_a_restart_of_the_coordinator(silo: Silo) -> None:
    silo.start()
    value = np.arange(1 << 20, dtype=np.float32)
    framed = frame([value]).tobytes()
    serialized = shard([tensor("float32", 1 << 20)], [], lambda x: [x + 1.0], tensor("float32", 1 << 20))
    for attempt in (1, 2):
        digest = silo.coordinator.do(lambda backend: backend.publish(SILO, framed))
        work = pb.Work(
            work_id=str(attempt),
            generation=attempt,
            label="add one",
            shard=inline(serialized),
            clients=pb.Clients(given=1),
        )
        work.broadcasts.append(pb.Blob(digest=digest, size=len(framed)))
        report = silo.ask(work)
        received = silo.coordinator.do(lambda backend, name=str(attempt): backend.received(SILO, name))
        assert received is not None
        assert digests.raw(digests.digest(received)) == report.result.accumulators.digest
        np.testing.assert_array_equal(unframe(received)[0], value + 1)
        if attempt == 1:
            silo.coordinator.restart()
    down, _ = silo.backend.transferred_bytes(SILO)
    assert down < len(framed)  # the worker still had the broadcast


def test_a_repeated_work_item_is_answered_without_running(silo: Silo) -> None:
    silo.start()
    first = silo.ask(over_digits("1"))
    silo.coordinator.do(lambda _: silo.backend._reports.clear())
    again = silo.ask(over_digits("1"))
    assert again.result == first.result
    assert [entry["subject"] for entry in silo.audit()] == ["invitation", "computation", "work", "result"]


def test_a_killed_runner_loses_nothing(silo: Silo) -> None:
    silo.start()
    silo.ask(over_digits("1"))
    for runner in silo.host.runners():
        runner.kill()
    assert total(silo.ask(over_digits("2"))) == 21


@pytest.mark.parametrize(
    ("policy", "rule", "message"),
    [
        ({"computations": {"operations": {"deny": ["ReduceDataset"]}}}, _OPERATIONS, "uses ReduceDataset"),
        ({"minClients": 3}, "policy.minClients", "has 2 local clients"),
    ],
)
def test_a_refusal_names_its_rule_and_is_audited(silo: Silo, policy: object, rule: str, message: str) -> None:
    silo.file["policy"] = policy
    silo.start()
    report = silo.ask(over_digits("1"))
    assert report.refusal.rule == rule
    assert message in report.refusal.message
    refusals = [(line["subject"], line["rule"]) for line in silo.audit() if line["decision"] == "refused"]
    assert refusals[-1] == ("work", rule)


def test_a_dataset_that_is_not_in_the_invitation_is_refused(silo: Silo) -> None:
    silo.start()
    report = silo.ask(over_digits("1", dataset="x-rays"))
    assert report.refusal.rule == "invitation.datasets"
    assert "'x-rays'" in report.refusal.message


def test_an_invitation_that_the_policy_declines_is_declined(silo: Silo) -> None:
    silo.datasets = ["x-rays"]
    silo.start()
    assert silo.wait() == 0
    (join,) = silo.backend.joins
    assert join.decline.rule == "datasets"
    assert "'x-rays'" in join.decline.message


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("rows", "leaf", "code", "text"),
    [
        (None, EXAMPLES, "DataNotFound", "*.csv"),
        (ROWS.replace("digit", "label"), EXAMPLES, "SchemaMismatch", "has no column 'digit'. Its columns are: p0, p1"),
        (ROWS.replace("3,4", "3,x"), EXAMPLES, "DataMalformed", "rows.csv, row 3, column 'p1'"),
        (
            ROWS,
            sequence(x=tensor("float32", 3), y=tensor("int32")),
            "SchemaMismatch",
            "dataset 'digits' of silo hospital-a has x: float32[2], but the computation expects float32[3]",
        ),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_are_reported_without_their_schema_unless_the_silo_shares_it(
    silo: Silo, rows: str | None, leaf: object, code: str, text: str, shared: bool
) -> None:
    path = silo.folder / "rows.csv"
    path.unlink() if rows is None else path.write_text(rows)
    silo.file["policy"] = {"shareDatasetSchemas": shared}
    silo.start()

    def count(dataset: object) -> list[object]:
        return [dataset.reduce(0.0, lambda total, _: total + 1.0)]  # type: ignore[attr-defined]

    report = silo.ask(over_digits("1", count, leaf=leaf))
    assert (report.failure.code, report.failure.retryable) == (code, False)
    if shared:
        assert text in report.failure.message
    else:
        revealing = ("csv", "p0", "p1", "label", "float32", "int32", "row", "x:", str(silo.folder))
        assert [word for word in revealing if word in report.failure.message] == []
        assert report.failure.message.endswith(f"({code}). The details are in the log of silo hospital-a.")
        assert silo.audit()[-1]["subject"] == "failure"


def test_corrected_data_are_read_again(silo: Silo) -> None:
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


def test_work_of_a_lower_generation_is_not_done(silo: Silo) -> None:
    silo.start()
    silo.ask(over_digits("1"))
    silo.coordinator.restart()
    silo.ask(_of_generation(over_digits("2"), 2))
    stale = _of_generation(over_digits("3"), 1)
    silo.coordinator.do(lambda backend: backend.offer(SILO, stale, 128))
    assert total(silo.ask(_of_generation(over_digits("4"), 2))) == 21
    assert "3" not in silo.coordinator.do(lambda _: silo.backend._reports)


def _of_generation(work: pb.Work, generation: int) -> pb.Work:
    work.generation = generation
    return work


def test_cancelled_work_ends(silo: Silo) -> None:
    silo.start()

    def endless(dataset: object) -> list[object]:
        import tensorflow as tf

        del dataset
        return [tf.data.Dataset.range(1 << 50).reduce(0.0, lambda total, _: total + 1.0)]

    silo.coordinator.do(lambda backend: backend.offer(SILO, over_digits("endless", endless), 128))
    wait_until(lambda: silo.audit()[-1:] and silo.audit()[-1]["subject"] == "work", 60)
    silo.coordinator.do(lambda _: silo.backend._sizes.clear())  # the heartbeat's response now cancels the work
    assert total(silo.ask(over_digits("1"))) == 21


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


def test_the_session_imports_neither_tensorflow_nor_data_readers() -> None:
    code = "import sys, fedjobs_worker.command_line; print({'tensorflow', 'pyarrow', 'fsspec'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_min_clients_holds_for_a_computation_that_ignores_the_data(silo: Silo) -> None:
    silo.file["policy"] = {"minClients": 3}
    silo.start()
    ones = pb.Work(work_id="1", generation=1, label="ones", shard=inline(shard([], [], lambda: [tf.constant(1.0)])))
    ones.clients.selection.dataset = "digits"
    refusal = silo.ask(ones).refusal
    assert (refusal.rule, "has 2 local clients" in refusal.message) == ("policy.minClients", True)


def test_a_silo_counts_its_own_clients_whatever_the_graphs_read(silo: Silo) -> None:
    silo.start()
    ones = pb.Work(work_id="1", generation=1, label="ones", shard=inline(shard([], [], lambda: [tf.constant(1.0)])))
    ones.clients.selection.dataset = "digits"
    report = silo.ask(ones)
    assert (total(report), report.result.clients) == (2, 2)
    ones.work_id, ones.label = "2", "without clients"
    ones.ClearField("clients")
    assert silo.ask(ones).failure.code == "ShardFailed"
    counted = over_digits("3")
    counted.clients.given = 2
    assert silo.ask(counted).failure.code == "ShardFailed"
