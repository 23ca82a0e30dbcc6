"""The silo's audit log, collected from what its workers print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fedjobs_agent.workers.collected_audit import CollectedAudit
from fedjobs_worker.consent.audit_chains import Verified, entries, raw_lines, verify
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.consent.usages import Ledger, Usage, day_of

NOISE = [
    b'{"event": "joined", "generation": 1}\n',
    b'Traceback "audit": true\n',
    b'{"audit": true}\n',
    b'["audit": true]\n',
]
TODAY = day_of(0)

Print = Callable[[str, int], list[bytes]]


@pytest.fixture
def print_(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Print:
    """Returns what a worker of a job prints for this many work items, as the cluster returns it."""

    def printed(job: str, works: int) -> list[bytes]:
        path = tmp_path / f"{job}.jsonl"
        path.unlink(missing_ok=True)
        now = iter(range(1, 100))
        audit = Audit(path, "hospital-a", job, clock=lambda: next(now), tell=True)
        audit.record("invitation", Allowed())
        for work in range(works):
            audit.record("work", Allowed(), work=str(work), shard="ab", datasets=["digits"], asked=str(work))
            audit.record("result", Allowed(), work=str(work), bytes=10)
        audit.record("work", Refused("policy.minClients", "no"))
        return [*NOISE, *capsys.readouterr().out.encode().splitlines(keepends=True)]

    return printed


def test_entries_are_complete_chained_and_without_duplicates(tmp_path: Path, print_: Print) -> None:
    log = print_("job-1", 2)
    collected = CollectedAudit(tmp_path / "all" / "audit.jsonl")
    assert collected.take(log[:6]) == 2
    assert collected.take(log) == 4
    assert collected.take(log) == 0
    assert collected.take(print_("job-2", 0)) == 2
    path = tmp_path / "all" / "audit.jsonl"
    found = verify(raw_lines(path))
    assert isinstance(found, Verified)
    assert found.entries == 8
    first = next(entries(path))
    printed = json.loads(log[4])
    assert {name: first[name] for name in ("time", "silo", "job", "subject", "decision")} == {
        name: printed[name] for name in ("time", "silo", "job", "subject", "decision")
    }
    assert "audit" not in first


def test_a_restarted_agent_continues_the_log(tmp_path: Path, print_: Print) -> None:
    log, path = print_("job-1", 2), tmp_path / "audit.jsonl"
    first = CollectedAudit(path)
    first.take(log[:7])
    first.close()
    assert CollectedAudit(path).take(log) == 3
    assert isinstance(verify(raw_lines(path)), Verified)


def test_a_line_that_was_cut_is_collected_once_it_is_complete(tmp_path: Path, print_: Print) -> None:
    *log, last = print_("job-1", 1)
    collected = CollectedAudit(tmp_path / "audit.jsonl")
    assert collected.take([*log, last[:20]]) == 3
    assert collected.take([*log, last]) == 1


def test_the_agents_own_decisions_are_in_the_same_chain(tmp_path: Path, print_: Print) -> None:
    path = tmp_path / "audit.jsonl"
    collected = CollectedAudit(path)
    Audit(path, "hospital-a", "job-0").record("invitation", Refused("policy.requesters", "no"))
    collected.take(print_("job-1", 1))
    assert isinstance(verify(raw_lines(path)), Verified)
    assert [entry["job"] for entry in entries(path)][:2] == ["job-0", "job-1"]


def test_a_new_worker_gets_the_usage(tmp_path: Path, print_: Print) -> None:
    collected = CollectedAudit(tmp_path / "audit.jsonl")
    collected.take(print_("job-1", 2))
    collected.take(print_("job-2", 3))
    used = tmp_path / "used.json"
    used.write_text(collected.used("job-1", TODAY, {}))
    usage = Ledger(tmp_path / "none.jsonl", used).usage()
    assert usage.of("job-1").runs == {"digits": 2}
    assert usage.of("job-2").runs == {}
    assert usage.bytes_up(TODAY) == 50
    assert usage.begun(TODAY) == {"job-1", "job-2"}
    assert Usage.model_validate_json(collected.used("job-3", "2030-01-01", {})).jobs == {}


def test_a_new_worker_gets_the_jobs_that_may_start_any_moment(tmp_path: Path, print_: Print) -> None:
    collected = CollectedAudit(tmp_path / "audit.jsonl")
    collected.take(print_("began", 1))
    Audit(tmp_path / "audit.jsonl", "hospital-a", "refused", clock=lambda: 5.0).record("invitation", Refused("x", "y"))
    made = {"began": 100.0, "refused": 4.0, "refused-before": 100.0, "silent": 0.5, "job": 0.5}
    Audit(tmp_path / "audit.jsonl", "hospital-a", "refused-before", clock=lambda: 5.0).record(
        "invitation", Refused("x", "y")
    )
    usage = Usage.model_validate_json(collected.used("job", "2030-01-01", made))
    assert usage.begun("2030-01-01") == {"refused-before", "silent"}
    assert not usage.of("job").begun
