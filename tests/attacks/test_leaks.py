"""A hostile coordinator against a real silo: what it learns from failures, and how often it can ask."""

from __future__ import annotations

import threading

import pytest
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.protocol.coordinators import SILO
from tests.worker.conftest import wait_until
from tests.worker.shard_builders import sequence, shard, tensor
from tests.worker.silo_processes import Silo, inline, over_digits, total

pytestmark = pytest.mark.processes

SECRET = "Mrs Smith 4711"


def _to_number(dataset: object) -> list[object]:
    """TensorFlow's message has the string that is not a number."""
    import tensorflow as tf

    add = lambda total, text: total + tf.strings.to_number(text)  # noqa: E731
    return [dataset.reduce(0.0, add)]  # type: ignore[attr-defined]


def _asserting(dataset: object) -> list[object]:
    """Its message names a node, which is data."""
    import tensorflow as tf

    text = dataset.reduce(tf.constant(""), lambda _, text: text)  # type: ignore[attr-defined]
    return [tf.strings.to_number(tf.strings.join(["{{node ", text, "}} \n\t [[", text, "]]"]))]


def _as_integer(work_id: str, number: int) -> pb.Work:
    """Work with a digest of its own."""
    return over_digits(work_id, lambda d: [d.reduce(0.0, lambda total, _: total + float(number))])  # type: ignore[attr-defined]


def test_no_value_of_a_record_is_in_a_failure(silo: Silo) -> None:
    (silo.folder / "rows.csv").write_text(f"name,digit,patient\n{SECRET},7,b\n{SECRET},8,a\n")
    silo.file["datasets"]["digits"]["features"] = {  # type: ignore[index]
        "spec": {"name": {"column": "name", "dtype": "string"}}
    }
    silo.start()
    names = sequence(**{"x/name": tensor("string")})
    for number, graph in enumerate((_asserting, _to_number)):
        work = over_digits(str(number))
        work.shard.CopyFrom(inline(shard([], [names], graph)))
        report = silo.ask(work)
        for part in SECRET.split():
            assert part not in str(report)
        assert report.failure.code == "ShardFailed"
        assert "(InvalidArgument)" in report.failure.message
        assert "hospital-a" in report.failure.message
        entry = silo.audit()[-1]
        assert (entry["subject"], entry["decision"], entry["failure"]) == ("failure", "allowed", "InvalidArgument")
        assert entry["bytes"] == report.failure.ByteSize()
        assert entry["node"] == ("n0" if graph is _to_number else "")
        assert SECRET not in (silo.folder / "audit.jsonl").read_text()


def test_a_changed_digest_does_not_give_more_rounds(silo: Silo) -> None:
    silo.file["policy"] = {"limits": {"roundsPerJob": 1}}
    silo.start()
    reports = [silo.ask(_as_integer(str(number), number)) for number in range(4)]
    assert [report.WhichOneof("outcome") for report in reports] == ["result", "result", "refusal", "refusal"]
    assert {report.refusal.rule for report in reports[2:]} == {"policy.limits.roundsPerJob"}


def test_failures_count_as_rounds_also_for_the_same_work(silo: Silo) -> None:
    silo.file["policy"] = {"limits": {"roundsPerJob": 1}}

    def failing(dataset: object) -> list[object]:
        import tensorflow as tf

        text = dataset.reduce("", lambda _, e: tf.strings.as_string(e[1]))  # type: ignore[attr-defined]
        return [tf.strings.to_number(tf.strings.join(["x", text]))]

    outcomes = []
    for _ in range(3):
        silo.start()
        outcomes.append(silo.ask(over_digits("1", failing)).WhichOneof("outcome"))
        silo.stop()  # the new process does not know the outcome
        silo.coordinator.do(lambda backend: backend._reports.clear())
    assert outcomes == ["failure", "failure", "refusal"]


def _unseeded(dataset: object) -> list[object]:
    import tensorflow as tf

    del dataset
    return [tf.random.uniform([])]


def test_work_that_is_sent_again_gives_no_second_value(silo: Silo) -> None:
    silo.start()
    work = over_digits("1", _unseeded)
    first = silo.ask(work)
    silo.coordinator.do(lambda backend: backend._reports.clear())
    assert silo.ask(work).result == first.result
    silo.stop()
    silo.coordinator.do(lambda backend: backend._reports.clear())
    silo.start()
    again = silo.ask(work)
    assert again.refusal.rule == "repeatedWork"
    assert again.WhichOneof("outcome") == "refusal"


def test_a_session_survives_what_no_coordinator_would_send(silo: Silo) -> None:
    """And keeps little of it, and writes little about it."""
    silo.start()
    said: list[str] = []
    assert silo.process is not None
    assert silo.process.stderr is not None
    reading = threading.Thread(target=said.extend, args=(silo.process.stderr,), daemon=True)
    reading.start()  # a full pipe would stop the worker
    assert total(silo.ask(over_digits("1"))) == 21
    before = (silo.folder / "audit.jsonl").stat().st_size
    for number, size in enumerate((2**63, 2**64 - 1, 2**34)):
        work = over_digits(f"large {number}")
        work.shard.ClearField("inline")
        work.shard.size, work.shard.digest = size, bytes([number]) * 32
        offered = pb.OfferedShard(shard=work.shard, label="x" * 100_000, datasets=["y" * 100_000])
        assert _answered(silo, offered).refused.rule == "ShardRefused"
        assert silo.ask(work).failure.code == "BlobTooLarge"
        work = over_digits(f"blob {number}")
        work.broadcasts.add(digest=bytes([number]) * 32, size=size)
        assert silo.ask(work).failure.code == "BlobTooLarge"
    work = over_digits("named", dataset="z" * 100_000)
    work.label = "\x1b[2J" * 10_000
    assert len(silo.ask(work).refusal.message) <= 1000
    for number in range(70):
        digest = bytes([100 + number]) * 32
        offered = pb.OfferedShard(shard=pb.Blob(digest=digest, size=0, inline=b""), label="l" * 1000)
        assert _answered(silo, offered).HasField("refused")
    assert (silo.folder / "audit.jsonl").stat().st_size - before < 150_000
    assert "\\u001b" not in (silo.folder / "audit.jsonl").read_text()
    work = over_digits("after")
    assert total(silo.ask(work)) == 21
    silo.backend.over = "Exploded\n"
    assert silo.wait() == 1
    reading.join(20)
    output = "".join(said)
    assert "unknown outcome 'Exploded" in output
    assert "Traceback" not in output


def _answered(silo: Silo, offered: pb.OfferedShard) -> pb.ShardConsent:
    def answer() -> pb.ShardConsent | None:
        return silo.coordinator.do(lambda backend: backend.consents.get((SILO, offered.shard.digest)))

    silo.coordinator.do(lambda backend: backend.propose(SILO, offered))
    wait_until(answer, 60)
    found = answer()
    assert found is not None
    return found
