"""What a restarted coordinator finds: its generation, reports and checkpoints."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Digest, JobUid, SiloName, WorkId
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_coordinator.aggregation.report_store import ReportStore
from fedjobs_coordinator.sessions.work_identities import InvocationId, WorkIdentities
from fedjobs_coordinator.state.checkpoints import Checkpoints
from fedjobs_coordinator.state.generation import GenerationLock
from fedjobs_coordinator.state.state_codec import pack, unpack
from fedjobs_protocol.v1 import session_pb2 as pb

WORK = WorkId("ab" * 32)


class _Pair(NamedTuple):
    first: Any
    second: Any


@attrs.define
class _State:
    weights: Any
    counter: Any


# --- generations


def test_each_start_increments_the_generation(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        lock = GenerationLock(tmp_path)
        assert lock.generation == expected
        lock.release()


def test_a_folder_has_one_coordinator_at_a_time_and_is_unlocked_when_it_dies(tmp_path: Path) -> None:
    program = "import sys, pathlib, fedjobs_coordinator.state.generation as e"
    program += "; l = e.GenerationLock(pathlib.Path(sys.argv[1])); print(l.generation, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with pytest.raises(FedjobsError) as raised:
            GenerationLock(tmp_path)
        assert raised.value.code is ErrorCode.ALREADY_RUNNING
        other.kill()
    assert GenerationLock(tmp_path).generation == 2


# --- identity of work


def _work_id(
    job: str = "job",
    call: str = "c",
    stage: int = 0,
    shard: str = "s",
    broadcast: str = "b",
    seed: int = 1,
    silo: str = "a",
    clients: int = 1,
) -> str:
    inputs = [pb.ClientInput(selection=pb.Selection(dataset="d", seed=seed))]
    given = pb.Clients(given=clients)
    identities = WorkIdentities(JobUid(job))
    return identities.work_id(call, stage, Digest(shard), [Digest(broadcast)], inputs, given, SiloName(silo))


def test_the_same_work_has_the_same_identity_in_another_process() -> None:
    assert _work_id() == _work_id()


@pytest.mark.parametrize(
    "other",
    [
        {"job": "x"},
        {"call": "x"},
        {"stage": 1},
        {"shard": "x"},
        {"broadcast": "x"},
        {"seed": 2},
        {"silo": "x"},
        {"clients": 2},
    ],
)
def test_every_part_of_the_work_is_in_its_identity(other: dict[str, Any]) -> None:
    assert _work_id(**other) != _work_id()


def _calls(identities: WorkIdentities, count: int, job: str = "same") -> list[InvocationId]:
    return [identities.next_invocation([Digest("shard")], [Digest("b")], job) for _ in range(count)]


def test_a_restarted_program_repeats_the_identities_of_its_calls_from_its_last_state() -> None:
    before = WorkIdentities(JobUid("job"))
    before.mark_durable(3)
    after = WorkIdentities(JobUid("job"))
    after.mark_durable(3)
    assert _calls(before, 3) == _calls(after, 3)


def test_identical_calls_of_one_round_and_of_different_rounds_have_different_identities() -> None:
    identities = WorkIdentities(JobUid("job"))
    found = _calls(identities, 2)
    for version in (1, 2):
        identities.mark_durable(version)
        found += _calls(identities, 2)
    assert len({call.text for call in found}) == 6
    assert [call.number for call in found] == [1, 2, 1, 2, 1, 2]


def test_calls_keep_their_identities_if_concurrent_calls_change_their_order() -> None:
    identities, others = WorkIdentities(JobUid("job")), WorkIdentities(JobUid("job"))
    first, second = _calls(identities, 1, "train"), _calls(identities, 1, "evaluate")
    other_second, other_first = _calls(others, 1, "evaluate"), _calls(others, 1, "train")
    assert (first[0].text, second[0].text) == (other_first[0].text, other_second[0].text)


def test_a_state_that_was_saved_just_before_a_crash_separates_the_next_round_from_the_last(tmp_path: Path) -> None:
    """The process died after it saved the state, and before it dropped the reports that are in it."""
    identities, store = WorkIdentities(JobUid("job")), _store(tmp_path)
    (call,) = _calls(identities, 1)
    work_id = _work_id(call=call.text)
    store.add(WorkId(work_id), Report(SiloName("a"), 0, "none", "", None), call.number)
    Checkpoints(tmp_path / "checkpoints").save(1, (np.int64(1),))

    again, found = WorkIdentities(JobUid("job")), Checkpoints(tmp_path / "checkpoints").load()
    assert found is not None
    again.mark_durable(found[0])
    (next_call,) = _calls(again, 1)
    assert _store(tmp_path).find(WorkId(work_id)) is not None
    assert _store(tmp_path).find(WorkId(_work_id(call=next_call.text))) is None


# --- reports


def _store(folder: Path) -> ReportStore:
    return ReportStore(folder / "reports", FilePool(folder / "spares", most=2))


def test_a_report_is_found_after_a_restart_until_its_state_is_durable(tmp_path: Path) -> None:
    store = _store(tmp_path)
    path = store.write_inline(WORK, b"accumulators")
    report = Report(SiloName("a"), 3, "cpu", digests.digest(b"accumulators"), path)
    store.add(WORK, report)
    again = _store(tmp_path)
    assert again.find(WORK) == report
    again.forget()
    assert again.find(WORK) is None
    assert _store(tmp_path).find(WORK) is None


def test_a_report_without_clients_has_no_accumulators(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.add(WORK, Report(SiloName("a"), 0, "none", "", None))
    found = _store(tmp_path).find(WORK)
    assert found is not None
    assert found.path is None


def test_an_upload_continues_after_a_restart_and_becomes_a_report(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    store = _store(tmp_path)
    store.upload(WORK, len(content)).write(content[:1_000_000])
    again = _store(tmp_path)
    assert again.committed(WORK) == 1_000_000
    upload = again.upload(WORK, len(content))
    upload.write(content[1_000_000:])
    assert again.take_upload(WORK, digests.digest(b"another")) is None
    assert upload.finish(digests.raw(digests.digest(content)))
    path = again.take_upload(WORK, digests.digest(content))
    assert path is not None
    assert path.read_bytes() == content


def test_an_upload_of_another_size_starts_over(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.upload(WORK, 100).write(b"x" * 50)
    assert store.upload(WORK, 200).committed == 0


# --- structures and checkpoints


def test_a_structure_is_restored_with_its_names_order_and_bits() -> None:
    state = _State(
        _Pair([np.array([1, 2], np.float32), np.float64(0.1)], OrderedDict(b=np.int64(3), a="text")), np.bool_(True)
    )
    restored = unpack(pack(state))
    assert list(restored) == ["weights", "counter"]
    assert list(restored["weights"]["second"]) == ["b", "a"]
    assert restored["weights"]["first"][0].tolist() == [1, 2]
    assert restored["weights"]["first"][1] == np.float64(0.1)
    assert restored["weights"]["second"] == OrderedDict(b=3, a=b"text")
    assert restored["counter"].dtype == np.bool_


def test_an_unsupported_value_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        pack({"x": object()})


def test_the_latest_state_is_loaded_and_one_before_it_is_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.load() is None
    for version in (1, 2, 3):
        checkpoints.save(version, (np.int64(version),))
    assert Checkpoints(tmp_path / "checkpoints").load() == (3, (3,))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_state_replaces_one_of_the_same_version(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, (np.int64(0),))
    for value in range(20):  # sorted by digests, another one of them would be the last
        checkpoints.save(2, (np.int64(value),))
        assert checkpoints.load() == (2, (value,))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_corrupt_state_is_skipped(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for version in (1, 2):
        checkpoints.save(version, (np.int64(version),))
    latest = max((tmp_path / "checkpoints").iterdir())
    content = bytearray(latest.read_bytes())
    content[-1] ^= 1
    latest.write_bytes(content)
    assert checkpoints.load() == (1, (1,))


def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(FedjobsError, match="No locks available") as raised:
        GenerationLock(tmp_path)
    assert raised.value.code is ErrorCode.UNAVAILABLE
