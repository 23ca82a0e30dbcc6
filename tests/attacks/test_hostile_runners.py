"""What a runner that was taken over gets past the session: only what the shard declares, counted and recorded."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.channels import shared_memory

from tests.attacks.hostile_runners import HostileRunner, failed, honest, ran, write
from tests.protocol.coordinators import Coordinator
from tests.worker.conftest import wait_until
from tests.worker.silo_processes import Backend, Silo, over_digits, total

pytestmark = pytest.mark.processes

SECRET = "4711 0815"


@pytest.fixture
def runner() -> Iterator[HostileRunner]:
    with tempfile.TemporaryDirectory(prefix="fj") as folder:
        runner = HostileRunner(Path(folder))
        yield runner
        runner.close()


@pytest.fixture
def silo(tmp_path: Path, runner: HostileRunner) -> Iterator[Silo]:
    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", Backend) as coordinator:
        silo = Silo(tmp_path, coordinator, runner)  # type: ignore[arg-type]
        silo.start()
        yield silo
        silo.stop()


def _padded(descriptors: list[int]) -> None:
    """A header with more in it than its tensors need."""
    content = frame([np.array(1, np.float32)]).tobytes()
    size = int.from_bytes(content[:8], "little")
    hidden = content[8 : 8 + size].rstrip() + b" " * 64 + b"\t" * 64
    padded = hidden + b" " * (-(8 + len(hidden)) % 64)
    shared_memory.write(descriptors[-1], [len(padded).to_bytes(8, "little"), padded, content[8 + size :]])


RESULTS: dict[str, Callable[[list[int]], object]] = {
    "nothing": lambda _: None,
    "another dtype": lambda d: write(d, np.array(1, np.float64)),
    "another shape": lambda d: write(d, np.zeros(1000, np.float32)),
    "one more": lambda d: write(d, np.array(1, np.float32), np.array(1, np.float32)),
    "none": lambda d: write(d),
    "strings": lambda d: write(d, np.array(b"rows", object)),
    "complex": lambda d: write(d, np.array(1, np.complex64)),
    "bytes after the end": lambda d: (write(d, np.array(1, np.float32)), os.pwrite(d[-1], b"rows", 1000)),
    "no frame": lambda d: os.pwrite(d[-1], b"\xff" * 200, 0),
    "more in the header": _padded,
    "very large": lambda d: os.ftruncate(d[-1], 1 << 40),
    "sealed by the runner": lambda d: (write(d, np.array(1, np.float32)), shared_memory.seal(d[-1])),
}


def test_only_what_the_shard_declares_leaves(silo: Silo, runner: HostileRunner) -> None:
    for number, (name, wrote) in enumerate(RESULTS.items()):

        def answer(_: object, descriptors: list[int], wrote: Callable[[list[int]], object] = wrote) -> bytes:
            wrote(descriptors)
            return ran()

        runner.answer = answer
        report = silo.ask(over_digits(str(number)))
        assert report.failure.code == "ShardFailed", name
        assert "(ResultMismatch)" in report.failure.message, name
        entry = silo.audit()[-1]
        assert (entry["subject"], entry["failure"], entry["work"]) == ("failure", "ResultMismatch", str(number)), name

    maps = []

    def still_mapped(_: object, descriptors: list[int]) -> bytes:
        reply = honest(descriptors)
        maps.append(mmap.mmap(descriptors[-1], 0))
        return reply

    runner.answer = still_mapped
    assert "(ResultMismatch)" in silo.ask(over_digits("mapped")).failure.message
    maps[0].close()
    runner.answer = lambda _, descriptors: honest(descriptors)
    assert total(silo.ask(over_digits("honest"))) == 21


def test_a_result_cannot_change_after_it_was_counted(silo: Silo, runner: HostileRunner) -> None:
    """The result is large, so that it is sent from the memory that the runner knows."""
    silo.stop()
    silo.backend.inline_limit = 0
    silo.start()
    runner.answer = lambda _, descriptors: honest(descriptors)
    size = frame([np.array(21, np.float32)]).size
    silo.coordinator.do(lambda _: silo.backend.offer("hospital-a", over_digits("1"), size))
    wait_until(lambda: silo.backend.reports(), 60)
    [report] = silo.backend.reports()
    assert report.HasField("result"), report
    sent = silo.coordinator.do(lambda backend: backend.received("hospital-a", "1"))
    assert sent is not None
    entry = silo.audit()[-1]
    assert (entry["bytes"], entry["result"]) == (len(sent), digests.digest(sent))
    assert report.result.accumulators.digest == digests.raw(digests.digest(sent))
    [kept] = runner.kept
    with pytest.raises(PermissionError):
        os.ftruncate(kept, 1 << 20)
    with pytest.raises(PermissionError):
        os.pwrite(kept, b"rows", 0)


def test_nothing_that_a_runner_says_is_passed_on(silo: Silo, runner: HostileRunner) -> None:
    replies = {
        "message": failed(message=SECRET),
        "class": failed(failure=SECRET),
        "node": failed(failure="InvalidArgument", node=SECRET),
        "code": failed(code=SECRET),
        "shard refused": failed(code="ShardRefused", message=SECRET),
        "schema": failed(code="SchemaMismatch", message=SECRET),
        "device": b"",
        "number of clients": ran(clients=4711),
        "no JSON": SECRET.encode(),
        "unknown reply": f'{{"reply": "{SECRET}"}}'.encode(),
    }
    for name, reply in replies.items():

        def answer(_: object, descriptors: list[int], reply: bytes = reply) -> bytes:
            return reply or (honest(descriptors) and ran(device=SECRET))

        runner.answer = answer
        report = silo.ask(over_digits(name))
        assert "4711" not in str(report), name
        assert "0815" not in str(report), name
        if name == "device":
            assert report.result.device == "other"
        else:
            assert report.HasField("failure"), name


def test_a_result_has_no_time() -> None:
    """A graph can choose from data how long it runs."""
    assert {field.name for field in pb.Result.DESCRIPTOR.fields} == {"accumulators", "clients", "device"}
    assert {field.name for field in pb.Report.DESCRIPTOR.oneofs_by_name["outcome"].fields} == {
        "result",
        "refusal",
        "failure",
    }


def test_a_node_is_named_only_if_the_shard_has_it(silo: Silo, runner: HostileRunner) -> None:
    runner.answer = lambda *_: failed(failure="OutOfRange", node="n0")
    failure = silo.ask(over_digits("1")).failure
    assert (failure.code, "(OutOfRange)" in failure.message, "'n0'" in failure.message) == ("ShardFailed", True, True)
    runner.answer = lambda *_: failed(failure="OutOfRange", node="n4711")
    assert "node" not in silo.ask(over_digits("2")).failure.message
    assert [entry.get("node") for entry in silo.audit() if entry["subject"] == "failure"] == ["n0", ""]


def test_failures_count_in_the_byte_limits(tmp_path: Path, runner: HostileRunner) -> None:
    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", Backend) as coordinator:
        silo = Silo(tmp_path, coordinator, runner)  # type: ignore[arg-type]
        silo.file["policy"] = {"limits": {"uploadBytesPerJob": 0}}
        silo.start()
        runner.answer = lambda *_: failed(failure="OutOfRange", node="n0")
        report = silo.ask(over_digits("1"))
        assert report.refusal.rule == "policy.limits.uploadBytesPerJob"
        assert "OutOfRange" not in str(report)
        silo.stop()


def test_the_same_work_gets_the_same_answer_or_none(silo: Silo, runner: HostileRunner) -> None:
    """A worker that starts again runs work again whose report was lost. It sends the same bytes, and no others."""
    values = iter([1.0, 1.0, 2.0, 1.0])
    runner.answer = lambda _, descriptors: honest(descriptors, next(values))

    def again() -> pb.Report:
        silo.stop()
        silo.coordinator.do(lambda backend: backend._reports.clear())
        silo.start()
        return silo.ask(over_digits("1"))

    first = silo.ask(over_digits("1"))
    assert again().result.accumulators == first.result.accumulators
    refused = again()
    assert refused.refusal.rule == "repeatedWork"
    assert not refused.HasField("result")
    assert total(again()) == 1
    runner.answer = lambda *_: failed(failure="OutOfRange")
    assert again().refusal.rule == "repeatedWork"


def test_a_failure_is_sent_once_for_the_same_work(silo: Silo, runner: HostileRunner) -> None:
    classes = iter(["OutOfRange", "InvalidArgument"])
    runner.answer = lambda *_: failed(failure=next(classes))
    first = silo.ask(over_digits("1"))
    silo.coordinator.do(lambda backend: backend._reports.clear())
    again = silo.ask(over_digits("1"))
    assert again.failure == first.failure
    assert runner.runs == 1


def test_a_runner_that_does_not_end_is_ended(tmp_path: Path, runner: HostileRunner) -> None:
    (tmp_path / "coordinator").mkdir()
    with Coordinator(tmp_path / "coordinator", Backend) as coordinator:
        silo = Silo(tmp_path, coordinator, runner)  # type: ignore[arg-type]
        silo.file["policy"] = {"limits": {"runSeconds": 1}}
        silo.start()
        ended = threading.Event()

        def endless(_: object, descriptors: list[int]) -> bytes:
            ended.wait(60)
            return honest(descriptors)

        runner.answer = endless
        report = silo.ask(over_digits("1"))
        assert (report.failure.code, "(DeadlineExceeded)" in report.failure.message) == ("ShardFailed", True)
        assert runner.runs == 1
        ended.set()
        runner.answer = lambda _, descriptors: honest(descriptors)
        assert total(silo.ask(over_digits("2"))) == 21
        silo.stop()
