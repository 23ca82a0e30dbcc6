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


def asked(grace_s: float) -> Stopping:
    stopping = Stopping(grace_s)
    stopping.on_sigterm()
    return stopping


@pytest.mark.parametrize("grace_s", [0, 1e6])
def test_an_idle_process_ends_at_once(grace_s: float) -> None:
    asked(grace_s)
    with pytest.raises(StopAskedError):
        os.kill(os.getpid(), signal.SIGTERM)


def work(stopping: Stopping, finished: list[str]) -> None:
    with stopping.busy():
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append("work")


def test_what_is_in_hand_is_finished_first() -> None:
    stopping, finished = asked(1e6), []
    with pytest.raises(StopAskedError):
        work(stopping, finished)
    assert finished == ["work"]
    assert stopping.asked


def test_without_grace_it_is_dropped() -> None:
    finished: list[str] = []
    with pytest.raises(StopAskedError):
        work(asked(0), finished)
    assert finished == []


def test_an_error_in_hand_is_still_that_error_and_asking_again_changes_nothing() -> None:
    stopping = asked(1e6)

    def fail() -> None:
        with stopping.busy():
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("module", ["fedjobs_worker", "fedjobs_worker.runner", "fedjobs_agent"])
def test_the_first_process_of_a_container_ends_at_sigterm_also_before_its_imports(module: str) -> None:
    """Its entry point imports nothing but the standard library before it has a handler."""
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
