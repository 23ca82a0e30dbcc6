"""What a hostile coordinator sends to a real silo does not come to TensorFlow, and is in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent.audit_chains import Verified, raw_lines, verify

from tests.protocol.coordinators import SILO
from tests.verifier.forging import GraphDef, forged, nodes_with
from tests.worker.silo_processes import Silo, inline, over_digits, total, wait_until_answered

pytestmark = pytest.mark.processes


def _branching(secret: Path) -> Callable[[object], list[object]]:
    """A graph with a branch over strings. Its branches are changed later to read the file of this name."""
    import tensorflow as tf

    def work(dataset: object) -> list[object]:
        count = dataset.reduce(0.0, lambda total, _: total + 1.0)  # type: ignore[attr-defined]
        path = tf.constant(str(secret))
        read = tf.cond(count > 0, lambda: tf.strings.lower(path), lambda: tf.strings.upper(path))
        return [count + tf.cast(tf.strings.length(read), tf.float32)]

    return work


def _reading(*, lowered: bool) -> Callable[[GraphDef], None]:
    def change(graph: GraphDef) -> None:
        for node in nodes_with(graph, "then_branch"):
            node.attr["then_branch"].func.name = node.attr["else_branch"].func.name = "ReadFile"
            if lowered:
                node.attr["_lower_using_switch_merge"].b = True

    return change


@pytest.fixture
def secret(silo: Silo) -> Path:
    path = silo.folder / "key.pem"
    path.write_text("s" * 1000)
    return path


@pytest.mark.parametrize("lowered", [True, False], ids=["lowered", "not lowered"])
def test_a_branch_that_is_an_operation_reads_no_file(silo: Silo, secret: Path, lowered: bool) -> None:
    silo.start()
    work = over_digits("1", _branching(secret))
    assert total(silo.ask(work)) == 3 + 2 * len(str(secret))  # three rows, and the path once for each of two clients
    work.work_id = "2"
    work.shard.CopyFrom(inline(forged(work.shard.inline, _reading(lowered=lowered))))
    offered = pb.OfferedShard(shard=work.shard, label=work.label, datasets=["digits"], clients="digits")
    silo.coordinator.do(lambda backend: backend.propose(SILO, offered))
    answer = wait_until_answered(silo, work)
    assert answer.refused.rule == "ShardRefused"
    assert "attribute" in answer.refused.message
    report = silo.ask(work)
    assert report.failure.code == "ShardRefused"
    assert not report.HasField("result")
    refusals = [e for e in silo.audit() if e["subject"] == "computation" and e["decision"] == "refused"]
    assert [(e["rule"], e["shard"]) for e in refusals] == [("ShardRefused", work.shard.digest.hex())]
    assert isinstance(verify(raw_lines(silo.folder / "audit.jsonl")), Verified)


def _guaranteed(dataset: object) -> list[object]:
    """With an operation that does nothing, and is not on the default list."""
    import tensorflow as tf

    total = dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0]))  # type: ignore[attr-defined]
    return [tf.raw_ops.GuaranteeConst(input=total)]


@pytest.mark.parametrize("allowed", [False, True])
def test_an_operation_that_is_not_on_the_default_list_runs_if_the_silos_file_allows_it(
    silo: Silo, allowed: bool
) -> None:
    if allowed:
        silo.file["policy"] = {"computations": {"operations": {"allow": ["GuaranteeConst"]}}}
    silo.start()
    work = over_digits("1", _guaranteed)
    report = silo.ask(work)
    if allowed:
        assert total(report) == 21
    else:
        assert report.refusal.rule == "policy.computations.operations"
        assert "GuaranteeConst" in report.refusal.message
