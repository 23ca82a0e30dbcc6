"""The silo's audit log: chained lines, several writers, and detection of changes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from fedjobs_worker.consent.audit_chains import NOTHING, AuditChain, Broken, Verified, hash_of, raw_lines, verify
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.policies import Allowed, Refused

SILO = "hospital-a"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.jsonl"


def _write_entries(path: Path, count: int) -> list[bytes]:
    audit = Audit(path, SILO, "job-1", clock=lambda: 12.0)
    for number in range(count):
        audit.record("work", Allowed(), work=str(number))
    audit.close()
    return list(raw_lines(path))


def test_each_decision_has_a_line_with_the_hash_of_the_previous_line(path: Path) -> None:
    for decision in (Allowed(), Refused("policy.minClients", "no")):
        audit = Audit(path, SILO, "job-1", clock=lambda: 12.0)
        audit.record("work", decision, shard="ab" * 32)
        audit.close()
    lines = path.read_bytes().splitlines()
    first, second = map(json.loads, lines)
    assert first == {
        "time": 12.0, "silo": SILO, "job": "job-1", "subject": "work", "decision": "allowed", "shard": "ab" * 32,
        "previous": NOTHING,
    }  # fmt: skip
    assert (second["decision"], second["rule"]) == ("refused", "policy.minClients")
    assert second["previous"] == hash_of(lines[0])


def test_an_unchanged_log_is_verified(path: Path) -> None:
    lines = _write_entries(path, 5)
    assert verify(iter(lines)) == Verified(5, hash_of(lines[-1][:-1]))
    assert verify(iter([])) == Verified(0, NOTHING)


def _with_changed_line(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"allowed", b"refused"), *lines[2:]]


@pytest.mark.parametrize(
    ("meddled", "line", "message"),
    [
        (_with_changed_line, 3, "line 2 was changed"),
        (lambda lines: [lines[0], *lines[2:]], 2, "removed"),
        (lambda lines: lines[1:], 1, "not the first line"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "inserted"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], 5, "incomplete"),
        (lambda lines: [*lines, b"{}\n"], 6, "not an entry"),
        (lambda lines: [*lines, b"\xff\n"], 6, "not an entry"),
    ],
    ids=["changed byte", "missing line", "missing first line", "repeated line", "truncated", "no chain", "no JSON"],
)
def test_changes_of_the_log_are_detected(
    path: Path, meddled: Callable[[list[bytes]], list[bytes]], line: int, message: str
) -> None:
    found = verify(iter(meddled(_write_entries(path, 5))))
    assert isinstance(found, Broken)
    assert found.line == line
    assert message in found.message


def test_the_loss_of_the_last_lines_is_detected_with_the_last_hash(path: Path) -> None:
    lines = _write_entries(path, 5)
    noted = verify(iter(lines))
    assert isinstance(noted, Verified)
    assert isinstance(verify(iter(lines[:3])), Verified)
    assert isinstance(verify(iter(lines[:3]), noted.last), Broken)
    assert isinstance(verify(iter(lines), noted.last), Verified)


def test_an_incomplete_line_of_a_dead_process_is_dropped(path: Path) -> None:
    _write_entries(path, 2)
    with path.open("ab") as file:
        file.write(b'{"time": 1')
    assert isinstance(verify(raw_lines(path)), Broken)
    _write_entries(path, 1)
    assert verify(raw_lines(path)) == Verified(3, hash_of(path.read_bytes().splitlines()[-1]))


def test_lines_longer_than_the_read_buffer_are_chained_too(path: Path) -> None:
    chain = AuditChain(path)
    for _ in range(3):
        chain.append({"message": "x" * 200_000})
    chain.close()
    assert isinstance(verify(raw_lines(path)), Verified)


def _append_many(path: Path, job: str) -> None:
    chain = AuditChain(path)
    for number in range(100):
        chain.append({"job": job, "number": number})


def test_concurrent_processes_do_not_break_the_chain(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(path, job)) for job in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = verify(raw_lines(path))
    assert isinstance(found, Verified)
    assert found.entries == 300


def test_printed_entries_are_marked_and_otherwise_equal_to_those_in_the_file(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = Audit(path, SILO, "job-1", tell=True)
    audit.record("work", Refused("policy.minClients", "no\nreally \x9b2J"))
    (told,) = capsys.readouterr().out.splitlines()
    assert told.isascii()
    assert json.loads(told) == {"audit": True} | json.loads(path.read_text())
