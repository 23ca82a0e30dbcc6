import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fedjobs.restarts import RestartPolicy
from fedjobs.supervisor import Program, Supervised, end_all, end_leftovers
from fedjobs_common import processes

from tests.client.waiting import wait_until

pytestmark = pytest.mark.processes

SAYS_STARTED = "import sys, time; print('started', flush=True);"
WAITS_FOR_ITS_LIFELINE = SAYS_STARTED + "sys.stdin.read()"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAITS_FOR_ITS_LIFELINE
NEVER = RestartPolicy(frozenset(range(-64, 256)))
ALWAYS = RestartPolicy(frozenset({3}))


def a_program(
    folder: Path, script: str, restarts: RestartPolicy = NEVER, wanted: Callable[[], bool] = lambda: True
) -> Program:
    return Program("worker", "hospital-a", ("-c", script), folder / "worker.log", restarts, wanted)


def starts(folder: Path) -> int:
    return (folder / "worker.log").read_text().count("started\n")


def test_a_final_exit_code_ends_the_supervision(tmp_path: Path) -> None:
    supervised = Supervised(a_program(tmp_path, "raise SystemExit(3)", ALWAYS), tmp_path)
    assert supervised.wait(20) == 3
    assert supervised.restarts == 0


def test_a_process_that_is_killed_is_restarted(tmp_path: Path) -> None:
    supervised = Supervised(a_program(tmp_path, WAITS_FOR_ITS_LIFELINE, ALWAYS), tmp_path)
    first = supervised.pid
    wait_until(lambda: starts(tmp_path) == 1)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: starts(tmp_path) == 2)
    assert supervised.pid != first
    assert "the process ended and was restarted" in (tmp_path / "worker.log").read_text()
    end_all([supervised], 10)
    assert not psutil.pid_exists(supervised.pid)


def test_a_process_that_crashes_too_often_is_not_restarted(tmp_path: Path) -> None:
    limited = RestartPolicy(frozenset(), limit=2)
    supervised = Supervised(a_program(tmp_path, SAYS_STARTED + "sys.exit(5)", limited), tmp_path)
    assert supervised.wait(20) == 5
    assert starts(tmp_path) == 3


def test_a_process_that_is_not_needed_any_more_is_not_restarted(tmp_path: Path) -> None:
    supervised = Supervised(a_program(tmp_path, SAYS_STARTED, ALWAYS, wanted=lambda: False), tmp_path)
    assert supervised.wait(20) == 0
    assert starts(tmp_path) == 1


def test_a_process_that_does_not_end_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    supervised = Supervised(a_program(tmp_path, IGNORES_SIGTERM), tmp_path)
    wait_until(lambda: starts(tmp_path) == 1)
    end_all([supervised], 0.1)
    assert supervised.wait(0) == -signal.SIGKILL


def test_ending_an_ended_process_does_nothing(tmp_path: Path) -> None:
    supervised = Supervised(a_program(tmp_path, ""), tmp_path)
    assert supervised.wait(20) == 0
    end_all([supervised, supervised], 1)
    assert supervised.exit_code == 0


def test_the_entry_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    registry = tmp_path / "processes"
    supervised = Supervised(a_program(tmp_path, WAITS_FOR_ITS_LIFELINE), registry)
    processes.register(registry, "worker", "hospital-a", supervised.pid)
    os.kill(supervised.pid, signal.SIGKILL)
    supervised.wait(20)
    assert processes.registered(registry) == []


def test_a_process_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    parent = (
        "import sys, time; from pathlib import Path; from fedjobs.restarts import RestartPolicy;"
        "from fedjobs.supervisor import Program, Supervised; folder = Path(sys.argv[1]);"
        "code = 'import sys; sys.stdin.read()';"
        "program = Program('worker', None, ('-c', code), folder / 'log', RestartPolicy(frozenset()));"
        "print(Supervised(program, folder).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_leftover_processes_are_waited_for_and_then_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as left:
        processes.register(tmp_path, "loader", "hospital-a", left.pid)
        end_leftovers(tmp_path, 0.1)
        assert left.wait(20) == -signal.SIGKILL
    end_leftovers(tmp_path, 0.1)
    assert list(tmp_path.glob("*.json")) == []


def test_another_client_is_not_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        processes.register(tmp_path, "client", None, other.pid)
        end_leftovers(tmp_path, 0.1)
        assert other.poll() is None
