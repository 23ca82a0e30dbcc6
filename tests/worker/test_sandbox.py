from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fedjobs_worker.kernel_calls import KernelCallError
from fedjobs_worker.runner.sandbox import limits, seccomp, system_calls, views
from fedjobs_worker.runner.sandbox.facts import Fact, isolated
from fedjobs_worker.runner.sandbox.limits import Limits

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
        local = socket.socket(socket.AF_UNIX)
        sandbox.confine_runner()
        early.set()
        thread.join()
        print(found[0])
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
            print(refused(socket.socket, family, socket.SOCK_DGRAM))
        print(refused(socket.socket, socket.AF_UNIX))
        print(refused(local.connect, "/nowhere"))
        print(refused(os.fork))
        print(refused(os.execv, "/bin/true", ["true"]))
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.ptrace(0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM)
        print(resource.getrlimit(resource.RLIMIT_CORE) == (0, 0))
        """
    )
    assert output.split() == ["True"] * 11


def test_an_existing_connection_still_works() -> None:
    output = run(
        """
        ours, theirs = socket.socketpair()
        sandbox.confine_runner()
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
        sandbox.confine_runner()
        print(float(tf.linalg.matmul([[1.0, 2.0]], [[3.0], [4.0]])[0, 0]))
        dataset = tf.data.Dataset.range(10).shuffle(10).map(lambda x: x * 2, num_parallel_calls=2).batch(3).prefetch(2)
        print(int(dataset.reduce(tf.constant(0, tf.int64), lambda total, batch: total + tf.reduce_sum(batch))))
        print(refused(socket.socket, socket.AF_INET))
        """
    )
    assert output.split() == ["11.0", "90", "True"]


def test_a_thread_can_still_start_and_abort_ends_the_process_itself() -> None:
    output = run(
        """
        import signal, threading
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            sandbox.confine_runner()
            thread = threading.Thread(target=os.write, args=(writing, b"thread"))
            thread.start()
            thread.join()
            os.abort()
        print(os.read(reading, 9).decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGABRT)
        """
    )
    assert output.split() == ["thread", "True"]


def test_a_machine_without_a_sandbox_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    with pytest.raises(KernelCallError, match="riscv64"):
        seccomp.confine_runner()


ALLOWED, REFUSED, UNKNOWN_CALL, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


def verdict(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """Runs a filter as the kernel does. See struct seccomp_data for the offsets."""
    data, loaded, position = {0: number, 4: architecture, 16: argument}, 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("=HBBI", program, 8 * position)
        if code == 0x06:  # return
            return int(operand)
        position += 1
        if code == 0x20:  # load
            loaded = data[operand]
            continue
        holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[code]
        position += if_true if holds else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("host", [True, False])
def test_the_filter_refuses_what_is_listed_and_nothing_else(machine: str, host: bool) -> None:
    numbers, architecture = system_calls.NUMBERS[machine], system_calls.AUDIT_ARCHITECTURES[machine]
    program = seccomp.program(machine, host=host, process=77)
    listed = {*system_calls.REFUSED, *(() if host else system_calls.REFUSED_TO_RUNNERS)}
    refused = {name for name, number in numbers.items() if verdict(program, architecture, number, 5) == REFUSED}
    assert refused - {"prlimit64", "tgkill", "clone"} == listed & set(numbers)
    assert verdict(program, architecture, numbers["prlimit64"], 0) == ALLOWED
    assert verdict(program, architecture, numbers["prlimit64"], 1) == REFUSED
    assert verdict(program, architecture, numbers["clone3"]) == UNKNOWN_CALL
    read = {"x86_64": 0, "aarch64": 63}[machine]
    assert verdict(program, architecture, read) == ALLOWED
    assert verdict(program, architecture, read | 0x40000000) == REFUSED  # x32
    assert verdict(program, architecture ^ 1, read) == KILLED


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_host_forks_and_a_runner_only_starts_threads(machine: str) -> None:
    number, architecture = system_calls.NUMBERS[machine]["clone"], system_calls.AUDIT_ARCHITECTURES[machine]
    fork, thread, namespace = 17, 0x3D0F00, 0x10000000 | 17  # SIGCHLD; the flags of a thread; CLONE_NEWUSER
    for host, expected in ((True, [ALLOWED, ALLOWED, REFUSED]), (False, [REFUSED, ALLOWED, REFUSED])):
        program = seccomp.program(machine, host=host, process=77)
        assert [verdict(program, architecture, number, flags) for flags in (fork, thread, namespace)] == expected


def test_a_runner_sends_signals_to_its_own_threads_only() -> None:
    program, number = seccomp.program("x86_64", host=False, process=77), system_calls.NUMBERS["x86_64"]["tgkill"]
    assert verdict(program, 0xC000003E, number, 77) == ALLOWED
    assert verdict(program, 0xC000003E, number, 78) == REFUSED


def test_the_view_has_no_home_no_working_directory_and_no_part_twice(tmp_path: Path) -> None:
    packages, silo = tmp_path / "packages", tmp_path / "silo"
    for folder in (packages / "more", silo):
        folder.mkdir(parents=True)
    imports = ["", ".", "/", str(Path.home()), str(silo), str(packages), str(packages / "more"), "/nowhere"]
    readable = views.readable([], imports, {"LD_LIBRARY_PATH": f"/usr/lib:{silo}"}, str(silo), gpu=False)
    assert {path for path in readable if path.startswith(str(tmp_path))} == {str(packages)}
    assert not {"/", "/etc", "/proc", str(Path.home()), "/usr/lib"} & set(readable)


def test_the_project_is_visible_from_its_own_folder(tmp_path: Path) -> None:
    assert str(tmp_path) in views.readable([str(tmp_path)], [str(tmp_path)], {}, str(tmp_path), gpu=False)


def test_a_gpu_needs_proc_and_sys() -> None:
    assert {"/proc", "/sys"} <= set(views.readable([], [], {}, "/nowhere", gpu=True))


def test_limits_are_most_of_a_machine_and_never_rise() -> None:
    assert limits.defaults(10**10, 2) == Limits(8 * 10**9, 1024)
    assert limits.defaults(10**10, 64) == Limits(8 * 10**9, 4096)
    output = run(
        """
        from fedjobs_worker.runner.sandbox import limits
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
        limits.apply(limits.Limits(10**9, 50), own_user_namespace=False)
        for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            print(*resource.getrlimit(which))
        """
    )
    assert output.split() == ["200", "200", *["1000000000"] * 4, "0", "0"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (set(), False),
        ({Fact.SECCOMP}, False),
        ({Fact.NAMESPACES, Fact.LANDLOCK}, False),
        ({Fact.SECCOMP, Fact.LANDLOCK}, True),
        ({Fact.SECCOMP, Fact.NAMESPACES}, True),
    ],
)
def test_files_and_calls_must_both_be_confined(facts: set[Fact], expected: bool) -> None:
    assert isolated(facts) is expected
