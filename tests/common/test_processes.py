from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from fedjobs_common.processes import register, registered

# A child process that prints when it is ready, and keeps running.
CHILD = "import sys, pathlib, signal; from fedjobs_common.processes import *; {} ; print('ready', flush=True); {}"


def child(setup: str, then: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(setup, then)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_this_process_registers_and_is_alive(tmp_path):
    register(tmp_path, "worker", "hospital-a")
    (info,) = registered(tmp_path)
    assert (info.role, info.silo, info.pid, info.alive) == ("worker", "hospital-a", os.getpid(), True)


def test_a_reused_pid_is_another_process(tmp_path):
    register(tmp_path, "worker")
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"started": content["started"] - 3600}))
    (info,) = registered(tmp_path)
    assert not info.alive


def test_foreign_files_and_missing_folders_are_ignored(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    assert registered(tmp_path) == []
    assert registered(tmp_path / "nowhere") == []


@pytest.mark.processes
def test_a_process_that_exits_is_removed_and_a_killed_process_is_not_alive(tmp_path):
    setup = f"register(pathlib.Path({str(tmp_path)!r}), 'runner')"
    exits, killed = child(setup, "sys.stdin.read()"), child(setup, "sys.stdin.read()")
    assert [info.pid for info in registered(tmp_path) if info.alive] == sorted([exits.pid, killed.pid])
    exits.communicate()
    killed.kill()
    killed.communicate()
    assert [(info.pid, info.state) for info in registered(tmp_path)] == [(killed.pid, "gone")]


@pytest.mark.processes
def test_a_parent_may_register_its_child(tmp_path):
    process = child("pass", "sys.stdin.read()")
    register(tmp_path, "runner", pid=process.pid)
    assert [(info.pid, info.alive) for info in registered(tmp_path)] == [(process.pid, True)]
    process.communicate()
    assert not registered(tmp_path)[0].alive


@pytest.mark.processes
def test_a_process_ends_when_its_parent_closes_its_input():
    process = child("end_with_parent()", "signal.pause()")
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.processes
def test_a_process_that_ends_cleanly_on_sigterm_may_do_so():
    setup = "end_with_parent(); signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))"
    process = child(setup, "signal.pause()")
    process.communicate(timeout=20)
    assert process.returncode == 75


@pytest.mark.processes
def test_a_process_that_does_not_end_on_sigterm_is_ended():
    setup = (
        "import fedjobs_common.processes as p; p._GRACE_S = 0.1; end_with_parent();"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )
    process = child(setup, "signal.sigwait([signal.SIGUSR1])")
    process.communicate(timeout=20)
    assert process.returncode == 70
