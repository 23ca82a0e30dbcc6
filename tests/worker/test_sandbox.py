from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from fedjobs_worker.kernel_calls import KernelCallError
from fedjobs_worker.runner import sandbox

PRELUDE = """
import errno, os, resource, socket, sys
from fedjobs_worker.runner import sandbox

def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno == errno.EPERM
    return False
"""


def run(script: str) -> str:
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sandbox_prevents_network_access_and_other_programs() -> None:
    output = run(
        """
        import threading
        early = threading.Event()
        found = []
        def thread_from_before():
            early.wait()
            found.append(refused(socket.socket, socket.AF_INET))
        thread = threading.Thread(target=thread_from_before)
        thread.start()
        sandbox.enter()
        early.set()
        thread.join()
        print(found[0])
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
            print(refused(socket.socket, family, socket.SOCK_DGRAM))
        local = socket.socket(socket.AF_UNIX)
        print(refused(local.connect, "/nowhere"))
        print(refused(os.execv, "/bin/true", ["true"]))
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.ptrace(0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM)
        print(resource.getrlimit(resource.RLIMIT_CORE) == (0, 0))
        """
    )
    assert output.split() == ["True"] * 9


def test_an_existing_connection_still_works() -> None:
    output = run(
        """
        ours, theirs = socket.socketpair()
        sandbox.enter()
        ours.send(b"x")
        print(theirs.recv(1))
        """
    )
    assert output.strip() == "b'x'"


@pytest.mark.processes
def test_tensorflow_computes_inside_and_still_has_no_network() -> None:
    output = run(
        """
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import tensorflow as tf
        sandbox.enter()
        print(float(tf.linalg.matmul([[1.0, 2.0]], [[3.0], [4.0]])[0, 0]))
        dataset = tf.data.Dataset.range(10).shuffle(10).map(lambda x: x * 2, num_parallel_calls=2).batch(3).prefetch(2)
        print(int(dataset.reduce(tf.constant(0, tf.int64), lambda total, batch: total + tf.reduce_sum(batch))))
        print(refused(socket.socket, socket.AF_INET))
        """
    )
    assert output.split() == ["11.0", "90", "True"]


def test_a_machine_without_a_sandbox_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "riscv64")
    with pytest.raises(KernelCallError, match="riscv64"):
        sandbox.enter()


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_filter_has_a_rule_for_each_refused_system_call(architecture: str) -> None:
    known = sandbox._ARCHITECTURES[architecture]
    assert len(set(known.refused)) == len(known.refused) == 27
    assert known.socket not in known.refused
    assert len(sandbox._filter(known)) == 8 * (6 + 2 * 27 + 6)
