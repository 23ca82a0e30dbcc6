"""The silo's audit log: chained lines, several writers, and detection of changes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.consent import audit_chains
from fedjobs_worker.consent.audit_chains import (
    NOTHING,
    Anchor,
    AuditChain,
    Broken,
    Verified,
    anchor,
    hash_of,
    head,
    raw_lines,
    verify,
)
from fedjobs_worker.consent.audit_entries import MAX_LINE
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
        "sequence": 1, "previous": NOTHING,
    }  # fmt: skip
    assert (second["decision"], second["rule"]) == ("refused", "policy.minClients")
    assert second["previous"] == hash_of(lines[0])


def test_an_unchanged_log_is_verified(path: Path) -> None:
    lines = _write_entries(path, 5)
    assert verify(iter(lines)) == Verified(Anchor(hash_of(lines[-1][:-1]), 5))
    assert verify(iter([])) == Verified(Anchor(NOTHING, 0))


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


def _anchor_of(lines: list[bytes]) -> Anchor:
    found = verify(iter(lines))
    assert isinstance(found, Verified)
    return found.anchor


def test_an_anchor_reveals_the_loss_of_the_last_lines(path: Path) -> None:
    lines = _write_entries(path, 5)
    kept = _anchor_of(lines)
    assert isinstance(verify(iter(lines[:3])), Verified)
    assert verify(iter(lines[:3]), kept) == Broken(4, "the anchor has 5 entries, and the log has 3: lines were removed")


def test_an_anchor_reveals_a_log_that_was_rewritten_as_a_whole(path: Path, tmp_path: Path) -> None:
    kept = _anchor_of(_write_entries(path, 3))
    other = tmp_path / "other.jsonl"
    audit = Audit(other, SILO, "job-1", clock=lambda: 13.0)
    for number in range(5):
        audit.record("work", Allowed(), work=str(number))
    found = verify(raw_lines(other), kept)
    assert isinstance(found, Broken)
    assert found.line == 3
    assert isinstance(verify(raw_lines(other)), Verified)


def test_a_log_that_grew_still_has_its_anchor(path: Path) -> None:
    kept = _anchor_of(_write_entries(path, 3))
    assert isinstance(verify(iter(_write_entries(path, 2)), kept), Verified)
    assert isinstance(verify(iter(_write_entries(path, 1)), Anchor(NOTHING, 0)), Verified)


def test_the_head_of_a_log_is_its_anchor(path: Path) -> None:
    assert head(path) is None
    path.parent.mkdir()
    path.write_bytes(b'{"torn": ')
    assert head(path) is None
    kept = _anchor_of(_write_entries(path, 3))
    assert head(path) == kept
    with path.open("ab") as log:
        log.write(b'{"torn": ')
    assert head(path) == kept


def test_an_anchor_is_a_hash_and_a_number() -> None:
    kept = Anchor("ab" * 32, 12)
    assert anchor(str(kept)) == kept
    for text in ("", "ab" * 32, f"{'AB' * 32}:1", f"{'ab' * 32}:-1", f"{'ab' * 32}:1e3", f"{'ab' * 32}:1\n"):
        with pytest.raises(ValueError, match="not an anchor"):
            anchor(text)


def test_lines_with_another_sequence_number_are_detected(path: Path) -> None:
    _write_entries(path, 1)
    first = path.read_bytes()
    entry = {"subject": "work", "sequence": 3, "previous": hash_of(first[:-1])}
    found = verify(iter([first, json.dumps(entry).encode() + b"\n"]))
    assert isinstance(found, Broken)
    assert "sequence number is 3" in found.message


def test_an_incomplete_line_of_a_dead_process_is_dropped(path: Path) -> None:
    _write_entries(path, 2)
    with path.open("ab") as file:
        file.write(b'{"time": 1')
    assert isinstance(verify(raw_lines(path)), Broken)
    _write_entries(path, 1)
    assert verify(raw_lines(path)) == Verified(Anchor(hash_of(path.read_bytes().splitlines()[-1]), 3))


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
    assert found.anchor.entries == 300


def test_a_line_that_a_full_disk_cut_leaves_no_trace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _write_entries(path, 2)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content[:-5])

    audit = Audit(path, SILO, "job-1", clock=lambda: 12.0)
    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(FedjobsError) as error:
            audit.record("work", Allowed(), work="3")
    assert error.value.code is ErrorCode.DISK_FULL
    assert list(raw_lines(path)) == lines
    audit.record("work", Allowed(), work="4")
    assert isinstance(verify(raw_lines(path)), Verified)


def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FedjobsError, match=r"audit.jsonl cannot be written"):
        Audit(tmp_path / "file" / "audit.jsonl", SILO, "job-1")


def test_texts_from_outside_are_bounded_and_printable(path: Path) -> None:
    audit = Audit(path, SILO, "job-1")
    hostile = '\n{"subject": "computation", "decision": "allowed"}\x1b[2J\u202e' + "\U0001f600" * 100_000
    names = [hostile] * 1000
    audit.record("work", Refused("policy.minClients", hostile), label=hostile, datasets=names, shard=hostile, x=hostile)
    audit.close()
    (line,) = path.read_bytes().splitlines()
    assert len(line) <= MAX_LINE
    entry = json.loads(line)
    assert entry["label"].startswith('\\n{"subject": "computation"')
    for text in (entry["message"], entry["label"], *entry["datasets"]):
        assert text.isprintable()


def test_a_job_whose_entries_are_too_large_gets_no_more_work_and_others_do(path: Path) -> None:
    def audit_of(job: str) -> Audit:
        return Audit(path, SILO, job, clock=lambda: 12.0, most=3 * MAX_LINE)

    first = audit_of("job-1")

    def fill() -> None:
        for number in range(1000):
            first.record("work", Refused("rule", "x" * 1000), work=str(number))

    with pytest.raises(FedjobsError, match="audit log of silo hospital-a for this job is full"):
        fill()
    first.close()
    with pytest.raises(FedjobsError, match="for this job is full"):
        audit_of("job-1").record("work", Allowed())
    audit_of("job-2").record("work", Allowed())
    size = sum(len(line) for line in raw_lines(path) if b'"job-1"' in line)
    assert size <= 3 * MAX_LINE
    subjects = [entry["subject"] for entry in audit_chains.entries(path)]
    assert subjects[-3:].count("log") == 2
    assert isinstance(verify(raw_lines(path)), Verified)


def test_an_error_message_has_an_entry_even_if_the_log_is_full(path: Path) -> None:
    error = FedjobsError(ErrorCode.SHARD_FAILED, "in node a\nb")
    Audit(path, SILO, "job-1").failure(error, work="1")
    (entry,) = audit_chains.entries(path)
    assert (entry["subject"], entry["code"], entry["message"]) == ("failure", "ShardFailed", "in node a\\nb")
    full = Audit(path, SILO, "job-1", most=0)
    full.failure(error, work="2")
    assert [entry["subject"] for entry in audit_chains.entries(path)] == ["failure", "log", "failure"]
    for _ in range(2000):
        full.failure(error, work="2")
    assert path.stat().st_size < 300 * 1024
