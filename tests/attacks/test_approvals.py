"""An administrator approved one computation on one dataset. A hostile coordinator asks for something else with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common.digests import named
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.pending import Pending, PendingFolder

from tests.protocol.coordinators import SILO
from tests.worker.conftest import wait_until
from tests.worker.silo_processes import Silo, over_digits, total, wait_until_answered

pytestmark = pytest.mark.processes

APPROVAL = "policy.computations.approval"


@pytest.fixture
def cautious(silo: Silo) -> Silo:
    """A silo with a second dataset of the same types. An administrator approves each computation."""
    silo.file["datasets"]["patients"] = {  # type: ignore[index]
        "source": {"csv": {"path": "patients/*.csv"}},
        "features": {"columns": ["age", "weight"]},
        "label": "diagnosis",
    }
    (silo.folder / "patients").mkdir()
    (silo.folder / "patients" / "rows.csv").write_text("age,weight,diagnosis\n50,80,3\n60,90,4\n")
    silo.file["policy"] = {"computations": {"approval": "Manual"}}
    silo.options = ["--pending", "pending", "--approvals", "approvals"]
    return silo


def _offer(silo: Silo, work: pb.Work) -> pb.ShardConsent:
    datasets = [source.selection.dataset for source in work.client_inputs]
    clients = work.clients.selection.dataset
    offered = pb.OfferedShard(shard=work.shard, label=work.label, datasets=datasets, clients=clients)
    silo.coordinator.do(lambda backend: backend.propose(SILO, offered))
    return wait_until_answered(silo, work)


def _pending(silo: Silo) -> list[Pending]:
    return PendingFolder(silo.folder / "pending").all()


def _approve(silo: Silo, pending: Pending, work: pb.Work) -> None:
    approval = Approval(decision="approved", by="dr-a", scope=pending.scope)
    ApprovalFolder(silo.folder / "approvals").say(named(work.shard.digest), approval)


def _approved(silo: Silo) -> pb.Work:
    """Returns work over the digits that an administrator approved, and that has run."""
    work = over_digits("1")
    assert _offer(silo, work).HasField("awaiting")
    (pending,) = _pending(silo)
    _approve(silo, pending, work)
    assert total(silo.ask(work)) == 21
    return work


@pytest.mark.parametrize("invited", [False, True], ids=["not in the invitation", "in the invitation"])
def test_an_approved_computation_does_not_read_another_dataset(cautious: Silo, invited: bool) -> None:
    cautious.datasets = ["digits", "patients"] if invited else ["digits"]
    cautious.start()
    other = _approved(cautious)
    other.work_id = "2"
    other.client_inputs[0].selection.dataset = other.clients.selection.dataset = "patients"
    report = cautious.ask(other)
    assert not report.HasField("result")
    assert report.refusal.rule == (APPROVAL if invited else "invitation.datasets")
    assert not any(entry["subject"] == "result" and entry["work"] == "2" for entry in cautious.audit())
    if invited:  # an administrator can approve it for these data, too
        assert "the dataset" in report.refusal.message
        (pending,) = _pending(cautious)
        assert pending.scope.datasets == ("patients",)
        _approve(cautious, pending, other)
        other.work_id = "3"
        assert total(cautious.ask(other)) == 50 + 80 + 60 + 90


def test_an_approved_computation_does_not_read_other_columns_of_the_dataset(cautious: Silo) -> None:
    cautious.start()
    work = _approved(cautious)
    cautious.stop()
    columns = cautious.file["datasets"]["digits"]["features"]  # type: ignore[index]
    columns["columns"] = ["p0", "income"]
    rows: Path = cautious.folder / "rows.csv"
    rows.write_text("p0,income,digit,patient\n1,20000,7,b\n3,40000,8,a\n")
    cautious.start()
    work.work_id = "2"
    report = cautious.ask(work)
    assert report.refusal.rule == APPROVAL
    assert "the columns" in report.refusal.message
    assert "income" not in report.refusal.message  # the coordinator does not learn the silo's columns
    (pending,) = _pending(cautious)
    assert "approved p0, p1 as float32, now p0, income as float32" in pending.explanation


def test_a_computation_that_is_denied_while_it_runs_sends_nothing(cautious: Silo) -> None:
    import tensorflow as tf

    def slow(dataset: object) -> list[object]:
        """Sums up the features after many steps, so that the denial arrives first."""
        value = dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0]))  # type: ignore[attr-defined]
        steps = tf.while_loop(lambda i, v: i < 3 * 10**5, lambda i, v: (i + 1, tf.abs(v)), [0, value])
        return [steps[1]]

    cautious.start()
    work = over_digits("1", slow)
    assert _offer(cautious, work).HasField("awaiting")
    (pending,) = _pending(cautious)
    _approve(cautious, pending, work)
    wait_until(lambda: not _pending(cautious))
    cautious.coordinator.do(lambda backend: backend.offer(SILO, work, 132))
    wait_until(lambda: any(e["subject"] == "work" and e["decision"] == "allowed" for e in cautious.audit()), 60)
    denial = Approval(decision="denied", message="a mistake")
    ApprovalFolder(cautious.folder / "approvals").say(named(work.shard.digest), denial)
    wait_until(lambda: cautious.coordinator.do(lambda _: "1" in cautious.backend._reports), 240)
    report = cautious.coordinator.do(lambda _: cautious.backend._reports["1"])
    assert report.refusal.rule == APPROVAL
    assert "a mistake" in report.refusal.message
