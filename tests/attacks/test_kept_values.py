"""A coordinator that asks a silo for values which the silo has kept for another computation, dataset or client.

Values of single clients stay in the silo between the stages of a computation. Only the stages that were approved
together may read them, over the same clients.
"""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from fedjobs_common import digests
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.consents import APPROVAL
from fedjobs_worker.consent.pending import PendingFolder

from tests.protocol.coordinators import SILO
from tests.worker.shard_builders import sequence, shard, tensor
from tests.worker.silo_processes import Silo, inline, total, wait_until_answered

pytestmark = pytest.mark.processes
EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))


def _pixels(dataset: Any) -> list[Any]:
    summed = dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0]))
    return [summed * 0.0 + 1.0, summed]


FIRST = shard([], [EXAMPLES], _pixels, kept_outputs=[tensor("float32")])


def _second(factor: float, first: bytes = FIRST) -> bytes:
    kept = shard_pb2.KeptInput(type=tensor("float32"), shard=digests.raw(digests.digest(first)), output=0)
    return shard([], [], lambda value: [value * factor], kept_inputs=[kept])


def _work(name: str, serialized: bytes, stage: int, dataset: str = "digits", **fields: Any) -> pb.Work:
    selection = pb.Selection(dataset=dataset, seed=7)
    reads = [pb.ClientInput(selection=selection)] if shard_pb2.Shard.FromString(serialized).client_inputs else []
    return pb.Work(
        work_id=name,
        generation=1,
        label="sum",
        shard=inline(serialized),
        client_inputs=reads,
        stage=stage,
        **({"clients": pb.Clients(selection=selection), "invocation": "one"} | {"kept_stages": [0][:stage]} | fields),
    )


@pytest.fixture
def two_datasets(silo: Silo) -> Silo:
    silo.datasets = ["digits", "patients"]
    silo.file["datasets"]["patients"] = {  # type: ignore[index]
        "source": {"csv": {"path": "patients/*.csv"}},
        "features": {"columns": ["age", "weight"]},
        "label": "diagnosis",
    }
    (silo.folder / "patients").mkdir()
    (silo.folder / "patients" / "rows.csv").write_text("age,weight,diagnosis\n50,80,3\n60,90,4\n")
    return silo


def test_only_the_next_stage_over_the_same_clients_reads_what_was_kept(two_datasets: Silo) -> None:
    silo, second = two_datasets, _second(2)
    silo.start()
    assert total(silo.ask(_work("1", FIRST, 0))) == 2  # clients
    for runner in silo.host.runners():
        runner.kill()  # the values outlive the process that computed them
    assert total(silo.ask(_work("2", second, 1))) == 2 * 21
    hostile = {
        "other clients": _work("3", second, 1, dataset="patients"),
        "clients that the coordinator counts": _work("4", second, 1, clients=pb.Clients(given=2)),
        "no clients": _work("5", second, 1, clients=pb.Clients()),
        "values of another shard": _work("6", _second(2, first=second), 1),
        "values of its own stage": _work("7", second, 0, kept_stages=[0]),
    }
    reports = {name: silo.ask(work) for name, work in hostile.items()}
    assert {name: report.failure.code for name, report in reports.items()} == dict.fromkeys(hostile, "ShardFailed")
    assert all("WorkInvalid" in report.failure.message for report in reports.values())
    lost = silo.ask(_work("8", second, 1, invocation="two")).failure
    assert (lost.code, lost.retryable) == ("KeptValuesLost", True)
    lost = silo.ask(_work("9", second, 1)).failure  # the other invocation ended the first one
    assert (lost.code, lost.retryable) == ("KeptValuesLost", True)
    results = [entry for entry in silo.audit() if entry["subject"] == "result"]
    assert [entry["work"] for entry in results] == ["1", "2"]


def _approve(silo: Silo, work: pb.Work, offered: pb.OfferedShard) -> None:
    """Offers a shard, and approves exactly what the silo shows."""
    silo.coordinator.do(lambda backend: backend.propose(SILO, offered))
    wait_until_answered(silo, work)
    *_, pending = PendingFolder(silo.folder / "pending").all()
    approval = Approval(decision="approved", by="dr-a", scope=pending.scope)
    ApprovalFolder(silo.folder / "approvals").say(digests.named(work.shard.digest), approval)


def test_an_approval_covers_the_shard_and_the_data_from_which_kept_values_come(two_datasets: Silo) -> None:
    silo = two_datasets
    silo.file["policy"] = {"computations": {"approval": "Manual"}}
    silo.options = ["--pending", "pending", "--approvals", "approvals"]
    silo.start()
    first, second = _work("1", FIRST, 0), _work("2", _second(2), 1)
    _approve(silo, first, pb.OfferedShard(shard=first.shard, label="sum", datasets=["digits"], clients="digits"))
    assert total(silo.ask(first)) == 2
    # The coordinator says that the second stage reads what was computed from no data of the silo.
    _approve(silo, second, pb.OfferedShard(shard=second.shard, label="sum", clients="digits", kept=[pb.KeptDatasets()]))
    refused = silo.ask(second).refusal
    assert refused.rule == APPROVAL
    assert "the kept values" in refused.message
    honest = [pb.KeptDatasets(datasets=["digits"])]
    *_, pending = PendingFolder(silo.folder / "pending").all()
    (kept,) = pending.scope.kept
    assert (kept.shard, kept.output, kept.datasets) == (digests.digest(FIRST), 0, ("digits",))
    assert "kept by" in pending.explanation
    _approve(silo, second, pb.OfferedShard(shard=second.shard, label="sum", clients="digits", kept=honest))
    assert total(silo.ask(_work("3", _second(2), 1))) == 2 * 21
