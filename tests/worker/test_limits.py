"""Limits per job and per day, counted from the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fedjobs_common.digests import digest
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent import limits
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.consent.usages import Ledger, Usage, day_of
from fedjobs_worker.policy_files import Limits
from fedjobs_worker.sessions.work_items import asked_by

SILO, JOB, OTHER = "hospital-a", "job-1", "job-2"
SHARD = digest(b"shard")
MONDAY, TUESDAY = 86_400.0 * 4, 86_400.0 * 5
"""In seconds since 1970."""


class Log:
    """An audit log with entries at different times."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = MONDAY

    def note(self, subject: str, job: str = JOB, decision: Decision | None = None, **details: str | int) -> Log:
        self.now += 1
        audit = Audit(self.path, SILO, job, clock=lambda: self.now)
        audit.record(subject, decision or Allowed(), **details)
        audit.close()
        return self

    def ran(self, work: str, job: str = JOB) -> Log:
        return self.note("work", job, work=work, shard=SHARD, asked=asked(work))

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


def test_runs_of_a_computation_are_counted_per_job(log: Log) -> None:
    log.ran("1").ran("2").ran("1", OTHER)
    of = Limits(rounds_per_job=2)
    assert rule(limits.on_run(of, SILO, log.usage(), JOB, SHARD, asked("3"))) == "policy.limits.roundsPerJob"
    assert rule(limits.on_run(of, SILO, log.usage(), JOB, digest(b"another"), asked("3"))) == "allowed"
    assert rule(limits.on_run(of, SILO, log.usage(), OTHER, SHARD, asked("2"))) == "allowed"


def test_repeated_work_counts_once(log: Log) -> None:
    log.ran("1").ran("2").ran("2")
    assert rule(limits.on_run(Limits(rounds_per_job=2), SILO, log.usage(), JOB, SHARD, asked("2"))) == "allowed"
    assert rule(limits.on_run(Limits(rounds_per_job=3), SILO, log.usage(), JOB, SHARD, asked("3"))) == "allowed"


@pytest.mark.parametrize(
    "other",
    [asked("2", seed=2), asked("2", broadcasts=[pb.Blob(size=1, inline=b"x")]), asked("2", clients=2), asked("4")],
    ids=["another seed", "another broadcast", "another number of clients", "another identity"],
)
def test_work_counts_as_repeated_only_if_the_request_is_the_same(log: Log, other: Digest) -> None:
    """The coordinator chooses a work's identity. It may reuse the last one for a different request."""
    log.ran("1").ran("2")
    of = Limits(rounds_per_job=2)
    assert rule(limits.on_run(of, SILO, log.usage(), JOB, SHARD, other)) == "policy.limits.roundsPerJob"
    assert rule(limits.on_run(of, SILO, log.usage(), JOB, SHARD, asked("2", generation=7, label="again"))) == "allowed"
    log.note("work", work="2", shard=SHARD, asked=other)
    assert log.usage().of(JOB).runs == {SHARD: 3}


def test_runs_in_an_older_log_are_counted_by_the_works_identity(log: Log) -> None:
    for work in ("1", "2", "2"):
        log.note("work", work=work, shard=SHARD)
    assert log.usage().of(JOB).runs == {SHARD: 2}


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
    assert usage.of(JOB).runs == {SHARD: 2}
    assert usage.bytes_up(day_of(MONDAY)) == 11
    fresh = Log(tmp_path / "fresh.jsonl")
    fresh.now = log.now
    fresh.sent(7)
    assert Ledger(fresh.path, used).usage().bytes_up(day_of(MONDAY)) == 12
