"""The silo's audit log, collected from what the audit containers of its workers print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.workers.collected_audit import MOST_PROBLEMS, CollectedAudit, Source
from fedjobs_worker.consent.audit_chains import Verified, entries, hash_of, raw_lines, verify
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Refused
from fedjobs_worker.consent.usages import Ledger, Usage, day_of

from tests.agent.worker_logs import WorkerLog

NOW = 1_700_000_000.0
TODAY = day_of(NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all" / "audit.jsonl"


@pytest.fixture
def collected(path: Path) -> CollectedAudit:
    return CollectedAudit(path, clock=lambda: NOW)


def take(collected: CollectedAudit, source: Source, lines: list[bytes]) -> None:
    for line in lines:
        collected.take(source, line)


def subjects(path: Path) -> list[str]:
    assert isinstance(verify(raw_lines(path)), Verified)
    return [entry["subject"] for entry in entries(path)]


def test_entries_are_complete_chained_and_without_duplicates(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    log = WorkerLog(tmp_path).rounds(1)
    lines = log.printed()
    take(collected, log.source, lines[:2])
    take(collected, log.source, lines)
    take(collected, log.source, lines)
    other = WorkerLog(tmp_path, "v", "job-2").works("1")
    take(collected, other.source, other.printed())
    assert subjects(path) == ["invitation", "work", "result", "work"]
    assert [entry["job"] for entry in entries(path)] == ["job-1"] * 3 + ["job-2"]


def test_an_entry_has_the_agents_time_and_what_the_worker_wrote(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    log = WorkerLog(tmp_path).works("1", "2")
    take(collected, log.source, log.printed())
    last = list(entries(path))[-1]
    assert (last["time"], last["workerTime"], last["worker"], last["workerSequence"]) == (NOW, 2, "u", 2)
    assert last["origin"] == hash_of(log.printed()[-1])
    written = json.loads(log.printed()[-1])
    assert {name: last[name] for name in ("silo", "job", "subject", "decision", "work", "shard")} == {
        name: written[name] for name in ("silo", "job", "subject", "decision", "work", "shard")
    }


def test_a_restarted_agent_continues_the_log(path: Path, tmp_path: Path) -> None:
    log = WorkerLog(tmp_path).rounds(2)
    lines = log.printed()
    first = CollectedAudit(path)
    take(first, log.source, lines[:3])
    take(first, log.source, [b"foreign"])
    first.close()
    take(CollectedAudit(path), log.source, [*lines[:3], b"foreign", *lines[3:]])
    assert subjects(path) == ["invitation", "work", "result", "foreign", "work", "result"]


def test_the_agents_own_decisions_are_in_the_same_chain(path: Path, tmp_path: Path, collected: CollectedAudit) -> None:
    Audit(path, "hospital-a", "job-0").record("invitation", Refused("policy.requesters", "no"))
    log = WorkerLog(tmp_path).works("1")
    take(collected, log.source, log.printed())
    assert subjects(path) == ["invitation", "work"]


def test_the_last_line_says_whether_entries_are_missing(path: Path, tmp_path: Path, collected: CollectedAudit) -> None:
    log = WorkerLog(tmp_path).works("1", "2", "3")
    *lines, end = log.printed(ended=True)
    take(collected, log.source, lines[:2])
    assert collected.take(log.source, end)
    gap = list(entries(path))[-1]
    assert (gap["subject"], gap["message"]) == ("gap", "Entries 3 to 3 of the worker's log are missing.")
    take(collected, log.source, lines)
    assert collected.take(log.source, end)
    assert subjects(path) == ["work", "work", "gap", "work"]


def test_missing_entries_are_recorded_and_the_next_ones_are_marked(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    log = WorkerLog(tmp_path).works("1", "2", "3", "4")
    lines = log.printed()
    take(collected, log.source, [lines[0], *lines[2:]])
    take(CollectedAudit(path), log.source, [lines[0], *lines[2:], *log.works("5").printed()[4:]])
    assert subjects(path) == ["work", "gap", "work", "work", "work"]
    assert [entry.get("unverified") for entry in entries(path)] == [None, None, True, True, True]


def test_a_log_that_ends_early_is_recorded_once(path: Path, tmp_path: Path, collected: CollectedAudit) -> None:
    log = WorkerLog(tmp_path).works("1")
    take(collected, log.source, log.printed())
    for _ in range(2):
        collected.ended_early(log.source)
    CollectedAudit(path).ended_early(log.source)
    assert subjects(path) == ["work", "gap"]


def test_the_number_of_entries_about_wrong_lines_is_bounded(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    told: list[str] = []
    collected.on_problem = told.append
    log = WorkerLog(tmp_path)
    take(collected, log.source, [b"%d" % number for number in range(1000)])
    take(CollectedAudit(path), log.source, [b"%d" % number for number in range(1000, 2000)])
    assert len(subjects(path)) == len(told) == MOST_PROBLEMS + 1
    assert "more wrong lines" in list(entries(path))[-1]["message"]


def test_pods_that_are_gone_take_no_memory(tmp_path: Path, collected: CollectedAudit) -> None:
    for pod in ("u", "v"):
        log = WorkerLog(tmp_path, pod).works("1")
        take(collected, log.source, log.printed())
    collected.forget_others({"v"})
    assert set(collected._known) == {"v"}


def test_a_new_worker_gets_the_usage(tmp_path: Path, collected: CollectedAudit) -> None:
    for log in (WorkerLog(tmp_path, "u", "job-1").rounds(2), WorkerLog(tmp_path, "v", "job-2").rounds(3)):
        take(collected, log.source, log.printed())
    used = tmp_path / "used.json"
    used.write_text(collected.used("job-1", TODAY, {}))
    usage = Ledger(tmp_path / "none.jsonl", used).usage()
    assert usage.of("job-1").runs == {"digits": 2}
    assert usage.of("job-2").runs == {}
    assert usage.bytes_up(TODAY) == 50
    assert usage.begun(TODAY) == {"job-1", "job-2"}
    assert Usage.model_validate_json(collected.used("job-3", "2030-01-01", {})).jobs == {}


def test_entries_that_are_collected_late_do_not_hide_later_ones_of_the_worker(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    """The agent's clock may be ahead of the worker's."""
    log = WorkerLog(tmp_path).rounds(1)
    take(collected, log.source, log.printed())
    used = tmp_path / "used.json"
    used.write_text(collected.used("job-1", TODAY, {}))
    log.works("later")
    assert Ledger(tmp_path / "u.audit.jsonl", used).usage().of("job-1").runs == {"digits": 2}


def test_a_new_worker_gets_the_jobs_that_may_start_any_moment(
    path: Path, tmp_path: Path, collected: CollectedAudit
) -> None:
    log = WorkerLog(tmp_path, "u", "began").rounds(1)
    take(collected, log.source, log.printed())
    for job in ("refused", "refused-before"):
        Audit(path, "hospital-a", job, clock=lambda: 5.0).record("invitation", Refused("x", "y"))
    made = {"began": 100.0, "refused": 4.0, "refused-before": 100.0, "silent": 0.5, "job": 0.5}
    usage = Usage.model_validate_json(collected.used("job", "2030-01-01", made))
    assert usage.begun("2030-01-01") == {"refused-before", "silent"}
    assert not usage.of("job").begun


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e300, -1, "1", None, True])
def test_an_entry_with_an_invalid_time_does_not_stop_the_count(time: Any) -> None:
    usage = Usage()
    usage.count({"job": "j", "subject": "result", "decision": "allowed", "bytes": 5, "time": time})
    usage.count({"job": "j", "subject": "result", "decision": "allowed", "bytes": 7, "time": NOW})
    assert usage.bytes_up(TODAY) == 7
    assert usage.of("j").until <= NOW
