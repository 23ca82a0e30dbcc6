"""A worker process apart from its work: termination messages, metrics and SIGTERM."""

from __future__ import annotations

import re
import socket
import urllib.request

import pytest
from fedjobs_worker import termination_message
from fedjobs_worker.termination_message import LastWord, Outcome

from tests.protocol.coordinators import SILO
from tests.worker.conftest import wait_until
from tests.worker.silo_processes import Silo, over_digits, work_size

pytestmark = pytest.mark.processes


def last_word(silo: Silo) -> LastWord | None:
    return termination_message.parse((silo.folder / "last-word").read_text())


@pytest.mark.parametrize("outcome", ["Complete", "Failed", "Suspended"])
def test_the_workers_termination_message_says_how_the_job_ended(silo: Silo, outcome: str) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.backend.over = outcome
    silo.start()
    assert silo.wait() == 0
    assert last_word(silo) == LastWord(outcome=Outcome(outcome))


def test_a_worker_that_declined_has_a_termination_message(silo: Silo) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.datasets = ["x-rays"]
    silo.start()
    assert silo.wait() == 0
    assert last_word(silo) == LastWord(outcome=Outcome.DECLINED)


def test_an_error_is_in_the_termination_message_too(silo: Silo) -> None:
    silo.options = ["--termination-message", "last-word"]
    silo.file["dataset"] = {}
    silo.start()
    assert silo.wait() == 3
    word = last_word(silo)
    assert word is not None
    assert (word.outcome, word.code) == (Outcome.ERROR, "InvalidSiloFile")


def test_the_silo_can_override_the_coordinators_address(silo: Silo) -> None:
    with silo.coordinator.link() as link:
        silo.options = ["--dial", link.address]
        link.cut_after(1 << 30)
        silo.start()
        silo.ask(over_digits("1"))
        assert link._cut_after is not None
        assert link._cut_after < 1 << 30


def test_the_device_has_the_note(silo: Silo) -> None:
    silo.options = ["--device-note", "no GPU was free"]
    silo.start()
    assert silo.ask(over_digits("1")).result.device == "cpu (no GPU was free)"


def test_metrics_and_health_are_served(silo: Silo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    silo.options = ["--metrics", address]
    silo.start()
    silo.ask(over_digits("1"))

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    assert get("/healthz") == "ok\n"
    wait_until(lambda: 'fedjobs_worker_work_items_total{outcome="result"} 1.0' in get("/metrics"))
    (up,) = re.findall(r'bytes_total\{direction="up"\} (\S+)', get("/metrics"))
    assert float(up) > 0


def test_work_in_progress_is_delivered_before_the_worker_ends(silo: Silo) -> None:
    silo.options = ["--grace", "60", "--termination-message", "last-word"]
    silo.start()
    wait_until(lambda: silo.backend.joins)

    def slow(dataset: object) -> list[object]:
        import tensorflow as tf

        many = tf.data.Dataset.range(300_000).reduce(0.0, lambda total, _: total + 1.0)
        return [dataset.reduce(0.0, lambda total, e: total + tf.reduce_sum(e[0])) + 0 * many]  # type: ignore[attr-defined]

    work = over_digits("slow", slow)
    silo.coordinator.do(lambda _: silo.backend.offer(SILO, work, work_size(work)))
    # The work was allowed, and starts.
    wait_until(lambda: silo.audit()[-1:] and silo.audit()[-1]["subject"] == "work", 60)
    assert silo.process is not None
    silo.process.terminate()
    assert silo.wait() == 75
    assert "slow" in silo.coordinator.do(lambda _: silo.backend._reports)
    assert last_word(silo) == LastWord(outcome=Outcome.INTERRUPTED)


def test_a_report_counts_as_delivered_before_its_response(silo: Silo) -> None:
    """The coordinator responds to a report with the next work, which may take long."""
    silo.options = ["--grace", "60"]
    silo.backend.slow_to_answer = True
    silo.start()
    work = over_digits("1")
    silo.coordinator.do(lambda _: silo.backend.offer(SILO, work, work_size(work)))
    wait_until(lambda: "1" in silo.coordinator.do(lambda _: silo.backend._reports), 60)
    assert silo.process is not None
    silo.process.terminate()
    assert silo.wait() == 75
