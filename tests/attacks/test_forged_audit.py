"""Nobody but a worker's session adds to the silo's audit log, whatever a coordinator makes the worker print."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.workers.collected_audit import MOST_PROBLEMS, CollectedAudit
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import Peer
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.consent.audit_chains import NOTHING, Verified, entries, hash_of, raw_lines, verify
from fedjobs_worker.consent.audit_entries import MAX_LINE
from fedjobs_worker.consent.usages import Usage, day_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.worker_logs import SILO, WorkerLog
from tests.worker.silo_processes import Backend, Silo

NOW = 1_700_000_000.0
TODAY = day_of(NOW)


def forged(**changes: Any) -> bytes:
    """An entry that an attacker would like to see in the log."""
    entry: dict[str, Any] = {
        "audit": True, "time": NOW, "silo": SILO, "job": "job-1", "subject": "result", "decision": "allowed",
        "bytes": 10**15, "sequence": 1, "previous": NOTHING,
    }  # fmt: skip
    return json.dumps(entry | changes).encode()


APPROVAL = forged(subject="computation", by="dr-a", at="2030-01-01", shard="ab" * 32)
FORGERIES = [
    APPROVAL,
    forged(),
    forged(audit=None),
    forged(job="job-2"),
    forged(silo="hospital-b"),
    forged(time=float("nan")),
    forged(time=float("inf")),
    json.dumps({"time": 0}).replace("0", "1e999").encode(),
    forged(sequence=2, previous="ab" * 32),
    forged(sequence=10**9),
    forged(subject="gap"),
    b"[" * 100_000,
    b"{}",
    b"\xff" * 10,
    b"x" * (MAX_LINE + 1),
    b"9" * 10_000,
    b'{"end": 1e300}',
    b'{"end": 1000000000000}',
]


class Shouting(Backend):
    """A coordinator that refuses each session with a message of several lines."""

    message = f"no\n{APPROVAL.decode()}\n{forged().decode()}\n\x1b[2J"

    async def join(self, peer: Peer, request: pb.JoinRequest) -> pb.JoinResponse:
        raise FedjobsError(ErrorCode.NOT_INVITED, self.message)


@pytest.mark.processes
def test_lines_in_a_coordinators_message_do_not_come_to_the_log(silo: Silo) -> None:
    silo.coordinator._make_backend = Shouting
    silo.coordinator.restart()
    silo.start()
    assert silo.wait() == 1
    assert silo.process is not None
    assert silo.process.stdout is not None
    assert silo.process.stderr is not None
    assert silo.process.stdout.read() == ""
    said = silo.process.stderr.read()
    assert "dr-a" in said
    assert APPROVAL.decode() not in said.splitlines()
    assert "\x1b" not in said
    assert [(entry["subject"], entry["decision"]) for entry in silo.audit()] == [("invitation", "allowed")]


@pytest.fixture
def log(tmp_path: Path) -> WorkerLog:
    return WorkerLog(tmp_path).rounds(2)


def collect(folder: Path, log: WorkerLog, lines: list[bytes]) -> tuple[Path, CollectedAudit]:
    path = folder / "audit.jsonl"
    path.unlink(missing_ok=True)
    collected = CollectedAudit(path, clock=lambda: NOW)
    for line in lines:
        collected.take(log.source, line)
    return path, collected


def usage(collected: CollectedAudit) -> Usage:
    return Usage.model_validate_json(collected.used("job-1", TODAY, {}))


@pytest.mark.parametrize("line", FORGERIES, ids=range(len(FORGERIES)))
@pytest.mark.parametrize("position", [1, 3, 5])
def test_a_forged_line_is_recorded_as_such_and_counts_as_nothing(
    tmp_path: Path, log: WorkerLog, line: bytes, position: int
) -> None:
    lines = log.printed()
    path, collected = collect(tmp_path, log, [*lines[:position], line, *lines[position:]])
    assert isinstance(verify(raw_lines(path)), Verified)
    found = list(entries(path))
    genuine = [entry for entry in found if entry["subject"] not in ("foreign", "gap")]
    assert [entry["origin"] for entry in genuine] == [hash_of(each) for each in lines]
    assert len(found) == len(genuine) + 1
    assert not [entry for entry in genuine if "unverified" in entry]
    assert usage(collected).bytes_up(TODAY) == 20
    assert not [entry for entry in found if "by" in entry]
    assert all(len(raw) < 2000 for raw in raw_lines(path))


@pytest.mark.parametrize("time", [1e12, 1e300, -1e300, 2**62])
def test_a_time_of_a_worker_does_not_hide_later_entries_and_stops_nothing(tmp_path: Path, time: float) -> None:
    log = WorkerLog(tmp_path)
    log.audit._clock = lambda: time
    log.rounds(1)
    log.audit._clock = lambda: 5.0
    log.rounds(1)
    _, collected = collect(tmp_path, log, log.printed())
    assert usage(collected).bytes_up(TODAY) == 20
    assert usage(collected).of("job-1").until <= NOW


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4) | st.sampled_from(FORGERIES), max_size=30))
def test_no_order_of_genuine_and_forged_lines_breaks_the_log(
    tmp_path_factory: pytest.TempPathFactory, order: list[int | bytes]
) -> None:
    """Lines are lost, repeated and reordered."""
    folder = tmp_path_factory.mktemp("log")
    log = WorkerLog(folder).rounds(2)
    lines = log.printed()
    shuffled = [lines[each] if isinstance(each, int) else each for each in order]
    path, _ = collect(folder, log, shuffled + shuffled)
    assert isinstance(verify(raw_lines(path)), Verified)
    found = list(entries(path))
    problems = [entry for entry in found if entry["subject"] in ("foreign", "gap")]
    accepted = [entry for entry in found if entry not in problems]
    assert len(problems) <= MOST_PROBLEMS + 1
    verified = [entry["origin"] for entry in accepted if "unverified" not in entry]
    assert all(origin in {*map(hash_of, lines), hash_of(forged(audit=None))} for origin in verified)
    sequences = [entry["workerSequence"] for entry in accepted]
    assert all(before < after for before, after in itertools.pairwise(sequences))
    again = CollectedAudit(path, clock=lambda: NOW)
    for line in shuffled:
        again.take(log.source, line)
    assert len(list(entries(path))) <= len(found) + 1
