"""A coordinator whose imports hang ends with a message. A coordinator that makes progress continues."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common.jobs.statuses import Phase
from fedjobs_coordinator.process.start_deadline import LOOKS, Standstill

from .builders import JOB
from .coordinator_processes import Container

_IMPATIENT = ("-m", "tests.coordinator.impatient_starts")
_DEADLOCK = """
import os
import sys
import threading
from fedjobs_coordinator.process import start_deadline

def tell(event, arguments):
    if event == "import":
        os.write(2, f"another thread imports {arguments[0]}\\n".encode())

sys.addaudithook(tell)
start_deadline.PATIENCE_S = 1.0

def wait_for_a_lock_that_nobody_gives_back():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

wait_for_a_lock_that_nobody_gives_back()
"""


@pytest.mark.processes
def test_a_hanging_start_ends_with_a_message_and_the_stacks_of_all_threads(tmp_path: Path) -> None:
    container = Container(tmp_path, "program_of_tff:main")
    (tmp_path / "program").mkdir()
    (tmp_path / "program/program_of_tff.py").write_text("import tensorflow_federated")
    fake = tmp_path / "fake/tensorflow_federated.py"
    fake.parent.mkdir()
    fake.write_text(_DEADLOCK)
    with container.started(python=_IMPATIENT, environment={"PYTHONPATH": str(fake.parent)}) as process:
        assert process.ended() == 70
    word = container.final_word
    assert (word.phase, word.code) == (Phase.STARTING, "StartTimedOut")
    assert "tensorflow_federated" in word.message
    log = (tmp_path / "log").read_text()
    assert "in wait_for_a_lock_that_nobody_gives_back" in log
    assert "another thread imports" not in log
    assert "base_events.py" in log, "the log must have the thread that serves silos, too"
    assert log.splitlines()[-1] == word.message
    line = next(line for line in container.log if line["event"] == "cannot start")
    assert (line["code"], line["jobUid"]) == ("StartTimedOut", JOB)


@pytest.mark.processes
def test_a_program_whose_import_hangs_is_a_hanging_start(tmp_path: Path) -> None:
    container = Container(tmp_path, "hanging:main")
    (tmp_path / "program").mkdir()
    (tmp_path / "program/hanging.py").write_text(_DEADLOCK)
    with container.started(python=_IMPATIENT) as process:
        assert process.ended() == 70
    assert container.final_word.code == "StartTimedOut"
    assert "hanging" in container.final_word.message


def test_each_imported_module_counts_as_progress() -> None:
    standstill = Standstill()
    for modules in range(1, 5):
        assert not any(standstill.is_too_long(modules) for _ in range(LOOKS))


def test_without_a_new_module_there_is_no_progress() -> None:
    standstill = Standstill()
    assert [standstill.is_too_long(7) for _ in range(LOOKS + 1)] == [False] * LOOKS + [True]
