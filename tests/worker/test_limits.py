"""Limits per job and per day, counted from the audit log."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fedjobs_common.digests import digest
from fedjobs_common.ids import Digest, JobUid
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.consent import audit_entries, limits
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger, Usage, day_of
from fedjobs_worker.policy_files import Limits
from fedjobs_worker.release.failures import Failure
from fedjobs_worker.release.gate import ReleaseGate
from fedjobs_worker.sessions.work_items import asked_by
from fedjobs_worker.silo_files import SiloFile

SILO, JOB, OTHER = "hospital-a", "job-1", "job-2"
SHARD = digest(b"shard")
MONDAY, TUESDAY = 86_400.0 * 4, 86_400.0 * 5
"""In seconds since 1970."""


class Log:
    """An audit log with entries at different times."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = MONDAY

    def note(
        self, subject: str, job: str = JOB, decision: Decision | None = None, **details: str | int | list[str]
    ) -> Log:
        self.now += 1
        audit = Audit(self.path, SILO, job, clock=lambda: self.now)
        audit.record(subject, decision or Allowed(), **details)
        audit.close()
        return self

    def ran(self, work: str, job: str = JOB, dataset: str = "digits", shard: Digest = SHARD) -> Log:
        return self.note("work", job, work=work, shard=shard, asked=asked(work), datasets=[dataset])

    def answered(self, work: str, result: Digest, size: int = 10) -> Log:
        return self.note("result", work=work, asked=asked(work), result=result, bytes=size)

    def failed(self, work: str, size: int = 10) -> Log:
        return self.note("failure", work=work, asked=asked(work), bytes=size)

    def sent(self, size: int, job: str = JOB) -> Log:
        return self.note("result", job, bytes=size)

    def usage(self) -> Usage:
        return Ledger(self.path).usage()


def asked(work: str, seed: int = 1, **changes: Any) -> Digest:
    selection = pb.Selection(dataset="digits", seed=seed)
    item = pb.Work(work_id=work, client_inputs=[pb.ClientInput(selection=selection)], **changes)
    return asked_by(item)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.jsonl")


def rule(decision: Decision) -> str:
    return decision.rule if isinstance(decision, Refused) else "allowed"


ROUNDS = "policy.limits.roundsPerJob"


def on_run(log: Log, work: Digest, rounds: int = 1, each: int = 1, job: str = JOB, dataset: str = "digits") -> str:
    of = Limits(rounds_per_job=rounds, runs_per_round=each)
    return rule(limits.on_run(of, SILO, log.usage(), job, [dataset], work))


def test_work_over_a_dataset_is_counted_per_job_whatever_it_computes(log: Log) -> None:
    log.ran("1").ran("2", shard=digest(b"another")).ran("1", OTHER)
    assert on_run(log, asked("3"), 2) == ROUNDS
    assert on_run(log, asked("3"), 2, dataset="test") == "allowed"
    assert on_run(log, asked("3"), 3) == "allowed"
    assert on_run(log, asked("2"), 2, job=OTHER) == "allowed"


def test_a_round_may_have_a_training_and_an_evaluation_over_the_same_data(log: Log) -> None:
    """As `fedavg` with an evaluation does. The silo does not decline a job that announces this many rounds."""
    of = Limits(rounds_per_job=2)
    for work in ("train 1", "evaluate 1", "train 2", "evaluate 2"):
        assert rule(limits.on_run(of, SILO, log.usage(), JOB, ["digits"], asked(work))) == "allowed"
        log.ran(work).answered(work, digest(work.encode()))
    assert rule(limits.on_run(of, SILO, log.usage(), JOB, ["digits"], asked("train 3"))) == ROUNDS


def test_work_without_a_dataset_is_not_limited(log: Log) -> None:
    log.ran("1")
    assert rule(limits.on_run(Limits(rounds_per_job=1), SILO, log.usage(), JOB, [], asked("2"))) == "allowed"


def test_interrupted_work_counts_once(log: Log) -> None:
    log.ran("1").ran("2").ran("2")
    assert on_run(log, asked("2"), 2) == "allowed"
    assert log.usage().of(JOB).runs == {"digits": 2}


def test_answered_work_counts_once_and_its_bytes_count_once(log: Log) -> None:
    log.ran("1").answered("1", digest(b"r")).ran("2").answered("2", digest(b"s"))
    assert on_run(log, asked("1"), 2) == "allowed"
    log.ran("1").answered("1", digest(b"r"))
    used = log.usage().of(JOB)
    assert used.runs == {"digits": 2}
    assert sum(used.bytes_up.values()) == 20
    answer = limits.answer_of(log.usage(), JOB, asked("1"))
    assert answer is not None
    assert limits.is_answer(answer, digest(b"r"))
    assert not limits.is_answer(answer, digest(b"other values"))
    assert limits.answer_of(log.usage(), JOB, asked("3")) is None


def test_failures_count_as_runs_and_their_bytes_count(log: Log) -> None:
    log.ran("1").failed("1").ran("1").failed("1")
    used = log.usage().of(JOB)
    assert used.runs == {"digits": 2}
    assert sum(used.bytes_up.values()) == 20
    assert on_run(log, asked("1"), 2) == ROUNDS


@pytest.mark.parametrize(
    "other",
    [
        asked("2", seed=2),
        asked("2", broadcasts=[pb.Blob(size=1, inline=b"x")]),
        asked("2", clients=pb.Clients(given=2)),
        asked("4"),
    ],
    ids=["another seed", "another broadcast", "another number of clients", "another identity"],
)
def test_work_counts_as_repeated_only_if_the_request_is_the_same(log: Log, other: Digest) -> None:
    """The coordinator chooses a work's identity. It may reuse the last one for a different request."""
    log.ran("1").ran("2")
    assert on_run(log, other, 2) == ROUNDS
    assert on_run(log, asked("2", generation=7, label="again"), 2) == "allowed"
    log.note("work", work="2", shard=SHARD, asked=other, datasets=["digits"])
    assert log.usage().of(JOB).runs == {"digits": 3}


def test_work_that_reads_no_dataset_is_counted_too(log: Log) -> None:
    """It reads nothing, but it can use the silo's machine for the whole time of a run."""

    def decided(work: str, *datasets: str) -> Decision:
        return limits.on_run(Limits(rounds_per_job=1), SILO, Ledger(log.path).usage(), JOB, datasets, asked(work))

    for work in "12":
        assert decided(work) == Allowed()
        log.note("work", work=work, asked=asked(work), datasets=[])
    assert isinstance(decided("3"), Refused)
    assert decided("3", "digits") == Allowed()
    assert decided("2") == Allowed()  # it was interrupted, and is repeated


def test_entries_of_a_job_are_bounded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_entries, "MOST_OF_JOB", 3)
    log.ran("1").ran("2")
    assert rule(limits.on_entries(SILO, log.usage(), JOB)) == "allowed"
    log.note("work", decision=Refused("x", "y"))
    assert rule(limits.on_entries(SILO, log.usage(), JOB)) == "auditLog"
    assert rule(limits.on_entries(SILO, log.usage(), OTHER)) == "allowed"


def test_the_day_and_the_counts_do_not_go_back_with_the_clock(log: Log) -> None:
    log.now = TUESDAY
    log.ran("1").sent(80)
    ledger = Ledger(log.path, clock=lambda: MONDAY)
    of = Limits(upload_bytes_per_day=100)
    today = ledger.usage().today(ledger.now())
    assert today == day_of(TUESDAY)
    assert rule(limits.on_bytes(of, SILO, ledger.usage(), OTHER, today, 30)) == "policy.limits.uploadBytesPerDay"
    audit = Audit(log.path, SILO, JOB, ledger.now)
    audit.record("result", Allowed(), bytes=10)
    audit.record("result", Allowed(), bytes=10)
    assert ledger.usage().bytes_up(day_of(TUESDAY)) == 100
    times = [json.loads(line)["time"] for line in log.path.read_text().splitlines()]
    assert times == sorted(set(times))


def test_entries_of_a_worker_that_is_created_again_count_if_the_clock_was_set_back(log: Log, tmp_path: Path) -> None:
    log.now = TUESDAY
    log.ran("1")
    used = tmp_path / "used.json"
    used.write_text(log.usage().about(JOB, day_of(MONDAY)).model_dump_json(by_alias=True))
    fresh = tmp_path / "fresh.jsonl"
    audit = Audit(fresh, SILO, JOB, Ledger(fresh, used, clock=lambda: MONDAY).now)
    audit.record("work", Allowed(), work="2", asked=asked("2"), datasets=["digits"])
    assert Ledger(fresh, used).usage().of(JOB).runs == {"digits": 2}


@pytest.mark.parametrize("time", ["1e300", "1e12", "-1e300", "NaN", "Infinity"])
def test_an_entry_with_an_absurd_time_stops_nothing(log: Log, time: str) -> None:
    log.sent(5)
    with log.path.open("a") as file:
        file.write(f'{{"time": {time}, "job": "{OTHER}", "subject": "result", "decision": "allowed", "bytes": 5}}\n')
    ledger = Ledger(log.path)
    assert ledger.usage().of(JOB).bytes_up == {day_of(MONDAY): 5}
    assert ledger.now() < 1e12


@pytest.mark.parametrize("content", [None, "", "{", '{"jobs": 3}', '{"unknown": 1}'])
def test_a_usage_that_cannot_be_read_counts_as_used_up(log: Log, tmp_path: Path, content: str | None) -> None:
    used = tmp_path / "used.json"
    if content is not None:
        used.write_text(content)
    usage = Ledger(log.path, used).usage()
    decisions = (
        limits.on_job(Limits(jobs_per_day=5), SILO, usage, JOB, day_of(MONDAY)),
        limits.on_run(Limits(rounds_per_job=5), SILO, usage, JOB, ["digits"], asked("1")),
        limits.on_bytes(Limits(upload_bytes_per_job=5), SILO, usage, JOB, day_of(MONDAY), 1),
        limits.on_bytes(Limits(upload_bytes_per_day=5), SILO, usage, JOB, day_of(MONDAY), 1),
    )
    for decision in decisions:
        assert isinstance(decision, Refused)
        assert "used.json" in decision.message
        assert "so that the agent writes the file again" in decision.message
    assert rule(limits.on_run(Limits(), SILO, usage, JOB, ["digits"], asked("1"))) == "allowed"


def test_the_size_of_a_result_that_does_not_leave_is_not_told(log: Log) -> None:
    refused = limits.on_bytes(Limits(upload_bytes_per_job=100), SILO, log.usage(), JOB, day_of(MONDAY), 48_151_623)
    assert isinstance(refused, Refused)
    assert "48151623" not in refused.message


@pytest.mark.parametrize(
    ("of", "size", "expected"),
    [
        (Limits(), 10**12, "allowed"),
        (Limits(upload_bytes_per_job=100), 40, "allowed"),
        (Limits(upload_bytes_per_job=100), 41, "policy.limits.uploadBytesPerJob"),
        (Limits(upload_bytes_per_day=100), 30, "allowed"),
        (Limits(upload_bytes_per_day=100), 31, "policy.limits.uploadBytesPerDay"),
    ],
)
def test_bytes_are_counted_per_job_and_per_day(log: Log, of: Limits, size: int, expected: str) -> None:
    log.sent(20)
    log.now = TUESDAY
    log.sent(40).sent(30, OTHER).note("result", decision=Refused("x", "y"), bytes=1000)
    assert rule(limits.on_bytes(of, SILO, log.usage(), JOB, day_of(TUESDAY), size)) == expected


def test_new_jobs_are_counted_per_day_and_a_started_job_continues(log: Log) -> None:
    log.note("invitation").note("invitation", "job-0", Refused("x", "y"))
    of, today = Limits(jobs_per_day=1), day_of(MONDAY)
    assert rule(limits.on_job(of, SILO, log.usage(), OTHER, today)) == "policy.limits.jobsPerDay"
    assert rule(limits.on_job(of, SILO, log.usage(), JOB, today)) == "allowed"
    assert rule(limits.on_job(of, SILO, log.usage(), OTHER, day_of(TUESDAY))) == "allowed"


def test_a_ledger_sees_entries_of_other_processes(log: Log) -> None:
    ledger = Ledger(log.path)
    assert ledger.usage().bytes_up(day_of(MONDAY)) == 0
    log.sent(5, OTHER)
    assert ledger.usage().bytes_up(day_of(MONDAY)) == 5
    with log.path.open("ab") as file:
        file.write(b"no entry\n{\n[]\n")
    log.sent(6)
    assert ledger.usage().bytes_up(day_of(MONDAY)) == 11


def test_earlier_usage_counts_once(log: Log, tmp_path: Path) -> None:
    """A worker that is created again has a new log, and gets the usage collected from its predecessor."""
    log.note("invitation").ran("1").sent(5)
    used = tmp_path / "used.json"
    used.write_text(log.usage().model_dump_json(by_alias=True))
    log.ran("2").sent(6)  # in the same log, and not collected yet
    usage = Ledger(log.path, used).usage()
    assert usage == log.usage()
    assert usage.of(JOB).runs == {"digits": 2}
    assert usage.bytes_up(day_of(MONDAY)) == 11
    fresh = Log(tmp_path / "fresh.jsonl")
    fresh.now = log.now
    fresh.sent(7)
    assert Ledger(fresh.path, used).usage().bytes_up(day_of(MONDAY)) == 12


class SlowLedger(Ledger):
    """Waits until the other job has read the usage, too, unless a lock prevents this."""

    together = threading.Barrier(2)

    def usage(self) -> Usage:
        usage = super().usage().model_copy(deep=True)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(1)
        return usage


def test_concurrent_jobs_do_not_exceed_the_bytes_of_a_day(tmp_path: Path) -> None:
    declared = [shard_pb2.Leaf(tensor=shard_pb2.Tensor(dtype="float32", shape=[100]))]
    content = frame([np.zeros(100, np.float32)]).tobytes()
    policy = {"limits": {"uploadBytesPerDay": len(content) * 3 // 2}}
    silo = SiloFile.model_validate({"silo": SILO, "policy": policy})
    path = tmp_path / "audit.jsonl"

    def released(job: str) -> str | None:
        audit = Audit(path, SILO, job, clock=lambda: MONDAY)
        gate = ReleaseGate(silo, JobUid(job), audit, SlowLedger(path, clock=lambda: MONDAY))
        memory = shared_memory.create("test")
        shared_memory.write(memory, [content])
        finished = gate.result(pb.Work(work_id="1"), asked("1"), declared, memory, 1, "cpu")
        return finished.report.WhichOneof("outcome")

    with ThreadPoolExecutor(2) as pool:
        assert sorted(map(str, pool.map(released, (JOB, OTHER)))) == ["refusal", "result"]


def test_a_failure_that_cannot_be_recorded_does_not_leave(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, SILO, JOB, clock=lambda: MONDAY, most=0)  # it has some space for failures when it is full
    gate = ReleaseGate(SiloFile(silo=SILO), JobUid(JOB), audit, Ledger(path, clock=lambda: MONDAY))
    failure = Failure(FailureClass.OUT_OF_RANGE, ran=True)
    reports = [gate.failure(pb.Work(work_id="w" * 200), asked(str(n)), None, failure).report for n in range(1000)]
    assert reports[0].HasField("failure")
    assert reports[-1].refusal.rule == "auditLog"
    assert "OutOfRange" not in str(reports[-1])
    sent = sum(report.HasField("failure") for report in reports)
    assert sum(json.loads(line)["subject"] == "failure" for line in path.read_text().splitlines()) == sent < 1000


def test_lost_kept_values_are_told_although_the_same_work_was_answered_before(tmp_path: Path) -> None:
    """A worker that restarts after it sent the result of a later stage is asked for it again."""
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, SILO, JOB, clock=lambda: MONDAY)
    gate = ReleaseGate(SiloFile(silo=SILO), JobUid(JOB), audit, Ledger(path, clock=lambda: MONDAY))
    declared = [shard_pb2.Leaf(tensor=shard_pb2.Tensor(dtype="float32", shape=[1]))]
    memory = shared_memory.create("test")
    shared_memory.write(memory, [frame([np.zeros(1, np.float32)]).tobytes()])
    work = pb.Work(work_id="1", stage=1)
    assert gate.result(work, asked("1"), declared, memory, 1, "cpu").report.HasField("result")
    lost = gate.failure(work, asked("1"), None, Failure(FailureClass.KEPT_MISSING)).report
    assert lost.failure.code == "KeptValuesLost"
    other = gate.failure(work, asked("1"), None, Failure(FailureClass.DATA_NOT_FOUND)).report
    assert other.refusal.rule == "repeatedWork"
