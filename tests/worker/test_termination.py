from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fedjobs_worker.termination import EXIT_STOPPED, StopAskedError, Stopping


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def installed(grace_s: float) -> Stopping:
    stopping = Stopping(grace_s)
    stopping.on_sigterm()
    return stopping


@pytest.mark.parametrize("grace_s", [0, 1e6])
def test_an_idle_process_ends_immediately(grace_s: float) -> None:
    installed(grace_s)
    with pytest.raises(StopAskedError):
        os.kill(os.getpid(), signal.SIGTERM)


def work(stopping: Stopping, finished: list[str]) -> None:
    with stopping.busy():
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append("work")


def test_work_in_progress_is_finished_first() -> None:
    stopping, finished = installed(1e6), []
    with pytest.raises(StopAskedError):
        work(stopping, finished)
    assert finished == ["work"]
    assert stopping.asked


def test_work_in_progress_is_dropped_without_a_grace_period() -> None:
    finished: list[str] = []
    with pytest.raises(StopAskedError):
        work(installed(0), finished)
    assert finished == []


def test_an_error_of_the_work_is_raised_and_a_second_signal_changes_nothing() -> None:
    stopping = installed(1e6)

    def fail() -> None:
        with stopping.busy():
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("module", ["fedjobs_worker", "fedjobs_worker.runner", "fedjobs_agent"])
def test_the_first_process_of_a_container_ends_at_sigterm_even_before_its_imports(module: str) -> None:
    """The module's entry point installs a handler before it imports anything but the standard library."""
    script = f"""
import runpy, signal, sys
from importlib.abc import MetaPathFinder

class AskedToEndAtTheFirstLargeImport(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pydantic", "structlog", "grpc", "psutil", "fedjobs_common", "fedjobs_protocol"):
            signal.raise_signal(signal.SIGTERM)

sys.meta_path.insert(0, AskedToEndAtTheFirstLargeImport())
signal.signal(signal.SIGTERM, signal.SIG_IGN)
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (EXIT_STOPPED if module == "fedjobs_worker" else 0, "")
