"""A hostile coordinator asks for the same work again: after a denial, after it cancelled it, after a refusal."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_common.digests import named
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent.approvals import Approval, ApprovalFolder
from fedjobs_worker.consent.pending import PendingFolder

from tests.attacks.hostile_runners import HostileRunner, honest
from tests.protocol.coordinators import SILO, Coordinator
from tests.worker.conftest import wait_until
from tests.worker.silo_processes import Backend, Silo, over_digits, total

pytestmark = pytest.mark.processes

APPROVAL = "policy.computations.approval"


class _Losing(Backend):
    """Is unavailable instead of taking a report, as long as `loses`."""

    loses = False
    lost = 0

    async def pull_work(self, peer: Peer, request: pb.PullWorkRequest) -> pb.PullWorkResponse:
        if request.HasField("report") and self.loses:
            self.lost += 1
            raise FedjobsError(ErrorCode.UNAVAILABLE, "lost")
        return await super().pull_work(peer, request)


@pytest.fixture
def runner() -> Iterator[HostileRunner]:
    with tempfile.TemporaryDirectory(prefix="fj") as folder:
        runner = HostileRunner(Path(folder))
        yield runner
        runner.close()


@pytest.fixture
def silo(tmp_path: Path, runner: HostileRunner) -> Iterator[Silo]:
    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", _Losing) as coordinator:
        silo = Silo(tmp_path, coordinator, runner)  # type: ignore[arg-type]
        silo.options = ["--pending", "pending", "--approvals", "approvals"]
        yield silo
        silo.stop()


def _again(silo: Silo, work: pb.Work) -> pb.Report:
    silo.coordinator.do(lambda _: silo.backend._reports.clear())
    return silo.ask(work)


def _decide(silo: Silo, work: pb.Work, decision: Approval) -> None:
    ApprovalFolder(silo.folder / "approvals").say(named(work.shard.digest), decision)


def test_a_result_that_was_computed_before_a_denial_is_not_sent_after_it(silo: Silo, runner: HostileRunner) -> None:
    """An upload can be interrupted at will, so the result may not have left yet."""
    silo.start()
    work = over_digits("1")
    assert total(silo.ask(work)) == 21
    _decide(silo, work, Approval(decision="denied", message="a mistake"))
    report = _again(silo, work)
    assert (report.WhichOneof("outcome"), report.refusal.rule) == ("refusal", APPROVAL)
    assert runner.runs == 1
    entry = silo.audit()[-1]
    assert (entry["subject"], entry["decision"], entry["rule"]) == ("work", "refused", APPROVAL)


def test_a_report_that_did_not_arrive_before_a_denial_is_not_sent_after_it(silo: Silo, runner: HostileRunner) -> None:
    backend = silo.coordinator.backend
    assert isinstance(backend, _Losing)
    backend.loses = True
    silo.start()
    work = over_digits("1")
    silo.coordinator.do(lambda _: backend.offer(SILO, work, 132))
    wait_until(lambda: backend.lost, 60)
    _decide(silo, work, Approval(decision="denied", message="a mistake"))
    wait_until(lambda: any(entry["decision"] == "refused" for entry in silo.audit()), 60)
    backend.loses = False
    assert silo.ask(work).refusal.rule == APPROVAL
    assert not any(report.HasField("result") for report in backend.reports())


def test_work_that_is_cancelled_counts_each_time(silo: Silo, runner: HostileRunner) -> None:
    silo.file["policy"] = {"limits": {"roundsPerJob": 1, "runsPerRound": 2}}
    silo.start()
    ended = threading.Event()

    def slow(_: object, descriptors: list[int]) -> bytes:
        ended.wait(60)
        return honest(descriptors)

    runner.answer = slow
    work = over_digits("1")
    for number in (1, 2):
        silo.coordinator.do(lambda backend: backend.offer(SILO, work, 132))
        wait_until(lambda number=number: runner.runs == number, 60)  # type: ignore[misc]
        silo.coordinator.do(lambda _: silo.backend._sizes.pop((SILO, "1")))  # the next heartbeat cancels it
        wait_until(lambda number=number: _cancelled(silo) == number, 60)  # type: ignore[misc]
    assert silo.ask(work).refusal.rule == "policy.limits.roundsPerJob"
    assert runner.runs == 2
    ended.set()


def _cancelled(silo: Silo) -> int:
    return sum(entry["decision"] == "cancelled" for entry in silo.audit())


def test_work_whose_result_was_refused_counts_each_time(silo: Silo, runner: HostileRunner) -> None:
    """A graph could choose the size of its result from data. A new process does not know the refusal."""
    silo.file["policy"] = {"limits": {"roundsPerJob": 1, "runsPerRound": 2, "uploadBytesPerJob": 0}}
    runner.answer = lambda _, descriptors: honest(descriptors)
    rules = []
    for _ in range(3):
        silo.start()
        rules.append(_again(silo, over_digits("1")).refusal.rule)
        silo.stop()
    assert rules == ["policy.limits.uploadBytesPerJob"] * 2 + ["policy.limits.roundsPerJob"]
    assert runner.runs == 2


def test_work_that_was_refused_before_an_approval_runs_after_it(silo: Silo, runner: HostileRunner) -> None:
    """Also with a coordinator that makes no offers, as in version 1 of the protocol: nothing runs unapproved."""
    silo.file["policy"] = {"computations": {"approval": "Manual"}}
    silo.start()
    work = over_digits("1")
    for _ in range(2):
        report = _again(silo, work)
        assert (report.WhichOneof("outcome"), report.refusal.rule) == ("refusal", APPROVAL)
    assert runner.runs == 0
    (pending,) = PendingFolder(silo.folder / "pending").all()
    _decide(silo, work, Approval(decision="approved", by="dr-a", scope=pending.scope))
    assert total(_again(silo, work)) == 21
    assert runner.runs == 1


def test_a_computation_on_a_second_dataset_waits_for_its_own_approval(silo: Silo, runner: HostileRunner) -> None:
    """The coordinator is told in the same session, so it need not start again."""
    silo.file["policy"] = {"computations": {"approval": "Manual"}}
    silo.file["datasets"]["patients"] = silo.file["datasets"]["digits"]  # type: ignore[index]
    silo.datasets = ["digits", "patients"]
    silo.start()
    for dataset in silo.datasets:
        work = over_digits(dataset, dataset=dataset)
        offered = pb.OfferedShard(
            shard=work.shard, label="sum", datasets=[dataset], clients=dataset, scope=f"on {dataset}"
        )
        answered = SILO, work.shard.digest, offered.scope

        def answer(key: tuple[str, bytes, str] = answered) -> str | None:
            found = silo.coordinator.do(lambda _: silo.backend.answers.get(key))
            return found and found.WhichOneof("answer")

        silo.coordinator.do(lambda backend, offered=offered: backend.propose(SILO, offered))  # type: ignore[misc]
        wait_until(lambda answer=answer: answer() == "awaiting", 60)  # type: ignore[misc]
        (pending,) = PendingFolder(silo.folder / "pending").all()
        assert pending.scope.datasets == (dataset,)
        _decide(silo, work, Approval(decision="approved", by="dr-a", scope=pending.scope))
        wait_until(lambda answer=answer: answer() == "approved", 60)  # type: ignore[misc]
        assert total(silo.ask(work)) == 21
    assert len(silo.backend.joins) == 1
    assert runner.runs == 2
