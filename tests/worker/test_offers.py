"""How a worker process answers offered shards. It runs only work to which it has consented."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fedjobs_common.digests import named
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.audit_chains import Verified, raw_lines, verify
from fedjobs_worker.consent.pending import PendingFolder

from tests.protocol.coordinators import SILO
from tests.worker.conftest import wait_until
from tests.worker.silo_processes import Silo, over_digits, total

pytestmark = pytest.mark.processes

APPROVAL = "policy.computations.approval"


def _offered(work: pb.Work) -> pb.OfferedShard:
    return pb.OfferedShard(shard=work.shard, label=work.label, datasets=["digits"], clients="digits")


def _with_work_id(work: pb.Work, work_id: str) -> pb.Work:
    """Returns work with the same shard and another identity."""
    again = pb.Work()
    again.CopyFrom(work)
    again.work_id = work_id
    return again


def _answer(silo: Silo, work: pb.Work) -> pb.ShardConsent | None:
    return silo.coordinator.do(lambda backend: backend.consents.get((SILO, work.shard.digest)))


def _asked(silo: Silo, work: pb.Work) -> pb.ShardConsent:
    silo.coordinator.do(lambda backend: backend.propose(SILO, _offered(work)))
    wait_until(lambda: _answer(silo, work), 60)
    answer = _answer(silo, work)
    assert answer is not None
    return answer


def test_a_shard_that_the_policy_allows_is_approved_and_then_run(silo: Silo) -> None:
    silo.start()
    work = over_digits("1")
    assert _asked(silo, work).HasField("approved")
    assert total(silo.ask(work)) == 21
    assert [(e["subject"], e["decision"]) for e in silo.audit()] == [
        ("invitation", "allowed"), ("computation", "allowed"), ("work", "allowed"), ("result", "allowed")
    ]  # fmt: skip
    assert isinstance(verify(raw_lines(silo.folder / "audit.jsonl")), Verified)


@pytest.mark.parametrize("digest", ["ab" * 32, ""])
def test_a_shard_with_another_digest_than_the_approved_one_is_refused_and_not_run(silo: Silo, digest: str) -> None:
    silo.file["policy"] = {"computations": {"digests": [digest] if digest else []}}
    silo.start()
    work = over_digits("1")
    refused = _asked(silo, work).refused
    assert refused.rule == "policy.computations.digests"
    assert work.shard.digest.hex() in refused.message
    assert silo.ask(work).refusal.rule == "policy.computations.digests"


def test_a_shard_whose_bytes_do_not_match_its_digest_is_not_approved(silo: Silo) -> None:
    approved = over_digits("1")
    silo.file["policy"] = {"computations": {"digests": [approved.shard.digest.hex()]}}
    silo.start()
    other = over_digits("2", lambda dataset: [dataset.reduce(0.0, lambda total, _: total + 1.0)])  # type: ignore[attr-defined]
    other.shard.digest = approved.shard.digest
    assert _asked(silo, other).refused.rule == "BlobCorrupt"
    assert silo.ask(other).failure.code == "BlobCorrupt"
    assert total(silo.ask(approved)) == 21
    (refused,) = [e for e in silo.audit() if e["subject"] == "computation" and e["decision"] == "refused"]
    assert (refused["rule"], refused["shard"]) == ("BlobCorrupt", approved.shard.digest.hex())


def test_a_shard_waits_for_approval_and_its_work_is_refused_until_then(silo: Silo) -> None:
    silo.file["policy"] = {"computations": {"approval": "Manual"}}
    silo.options = ["--pending", "pending", "--approvals", "approvals"]
    silo.start()
    work = over_digits("1")
    awaiting = _asked(silo, work).awaiting
    assert awaiting.rule == APPROVAL
    assert awaiting.seconds_left > 0
    assert silo.ask(_with_work_id(work, "2")).refusal.rule == APPROVAL
    (pending,) = PendingFolder(silo.folder / "pending").all()
    assert pending.digest == work.shard.digest.hex()
    assert "ReduceDataset" in pending.explanation
    approval = Approval(decision="approved", by="dr-a", scope=pending.scope)
    ApprovalFolder(silo.folder / "approvals").say(named(work.shard.digest), approval)
    wait_until(lambda: (answer := _answer(silo, work)) and answer.HasField("approved"))
    assert total(silo.ask(work)) == 21
    assert PendingFolder(silo.folder / "pending").all() == []


def test_limits_hold_after_a_restart_of_the_worker(silo: Silo) -> None:
    silo.file["policy"] = {"limits": {"roundsPerJob": 2, "runsPerRound": 1}}
    silo.start()
    work = over_digits("1")
    assert total(silo.ask(work)) == 21
    silo.stop()
    silo.start()
    assert total(silo.ask(_with_work_id(work, "2"))) == 21
    refusal = silo.ask(_with_work_id(work, "3")).refusal
    assert refusal.rule == "policy.limits.roundsPerJob"
    assert "at most 2 computations over a dataset" in refusal.message


def test_different_work_with_the_same_identity_is_not_a_repetition(silo: Silo) -> None:
    silo.file["policy"] = {"limits": {"roundsPerJob": 1, "runsPerRound": 1}}
    silo.start()
    work = over_digits("w")
    assert total(silo.ask(work)) == 21
    silo.stop()
    silo.coordinator.do(lambda backend: backend._reports.clear())
    silo.start()  # the new process does not know the finished work
    other = _with_work_id(work, "w")
    other.client_inputs[0].selection.seed += 1
    assert silo.ask(other).refusal.rule == "policy.limits.roundsPerJob"
    silo.stop()
    silo.coordinator.do(lambda backend: backend._reports.clear())
    silo.start()
    assert total(silo.ask(work)) == 21


def test_results_beyond_the_byte_limit_do_not_leave_the_silo(silo: Silo) -> None:
    silo.file["policy"] = {"limits": {"uploadBytesPerJob": 10}}
    silo.start()
    report = silo.ask(over_digits("1"))
    assert report.refusal.rule == "policy.limits.uploadBytesPerJob"
    assert silo.audit()[-1]["rule"] == "policy.limits.uploadBytesPerJob"


def test_a_worker_prints_no_entries(silo: Silo) -> None:
    silo.datasets = ["x-rays"]
    silo.start()
    assert silo.wait() == 0
    assert silo.process is not None
    assert silo.process.stdout is not None
    assert silo.process.stdout.read() == ""
    assert [entry["subject"] for entry in silo.audit()] == ["invitation"]


def test_the_audit_container_prints_all_entries_until_the_session_has_ended(silo: Silo) -> None:
    """The printer starts before the log exists, and SIGTERM ends it."""
    path = silo.folder / "audit.jsonl"
    command = [sys.executable, "-m", "fedjobs_worker.consent.audit_printer", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as printer:
        silo.datasets = ["x-rays"]
        silo.start()
        assert silo.wait() == 0
        assert printer.stdout is not None
        lines = [printer.stdout.readline()]
        printer.terminate()
        lines += printer.stdout.readlines()
    assert printer.returncode == 0
    assert lines == [*path.read_bytes().splitlines(keepends=True), b'{"end": 1}\n']
