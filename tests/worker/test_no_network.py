"""Code in a runner cannot open connections: neither Python, nor a library below it, nor a graph."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.runner.client import RunnerClient

from tests.worker.shard_builders import shard

PRELUDE = """
import ctypes, errno, os, socket, struct, sys, threading
from fedjobs_worker.runner import sandbox

PORT = int(sys.argv[1])
"x".encode("idna")  # imports the codec for host names while files can still be read
libc = ctypes.CDLL(None, use_errno=True)

def by_python():
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=10)
    except PermissionError:
        return "refused"
    return "connected"

def by_libc():
    "Calls libc as a native library does, without Python's socket module."
    descriptor = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    if descriptor < 0:
        return "refused" if ctypes.get_errno() == errno.EPERM else os.strerror(ctypes.get_errno())
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(PORT), socket.inet_aton("127.0.0.1"))
    return "connected" if libc.connect(descriptor, address, len(address)) == 0 else "no connection"

def in_thread(what):
    found = []
    thread = threading.Thread(target=lambda: found.append(what()))
    thread.start()
    thread.join()
    return found[0]

def in_child(what):
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except PermissionError:
        return "refused"
    if child == 0:
        os.write(writer, in_thread(what).encode())
        os._exit(0)
    os.wait()
    return os.read(reader, 99).decode()

def say_all():
    for what in (by_python, by_libc):
        print(what(), in_thread(what), in_child(what))

def as_in_a_pod():
    "Drops root, all capabilities and new privileges, as with allowPrivilegeEscalation: false and drop: [ALL]."
    if os.getuid() == 0:
        for capability in range(64):
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
        os.setgroups([])
        os.setresgid(65532, 65532, 65532)
        os.setresuid(65533, 65533, 65533)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A listening socket that receives connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def has_connection(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def run(script: str, port: int) -> list[str]:
    code = PRELUDE + textwrap.dedent(script)
    command = [sys.executable, "-c", code, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_same_code_connects_outside_the_sandbox(listening: socket.socket) -> None:
    assert run("say_all()", port_of(listening)) == ["connected"] * 6
    assert has_connection(listening)


@pytest.mark.parametrize("before", ["", "as_in_a_pod()"])
def test_neither_python_nor_a_library_connects_in_any_thread_or_child(listening: socket.socket, before: str) -> None:
    assert run(f"{before}\nsandbox.confine_runner()\nsay_all()", port_of(listening)) == ["refused"] * 6
    assert not has_connection(listening)


def test_the_filter_adds_to_an_existing_one(listening: socket.socket) -> None:
    """A pod already has its runtime's filter. The kernel evaluates all filters, and the strictest result applies."""
    twice = "sandbox.confine_runner()\n" * 2
    assert run(f"as_in_a_pod()\n{twice}say_all()", port_of(listening)) == ["refused"] * 6


def test_an_existing_socket_cannot_be_connected(listening: socket.socket) -> None:
    script = """
    early = socket.socket()
    sandbox.confine_runner()
    try:
        early.connect(("127.0.0.1", PORT))
        print("connected")
    except PermissionError:
        print("refused")
    """
    assert run(script, port_of(listening)) == ["refused"]
    assert not has_connection(listening)


READS_FROM_THE_NETWORK = """
import tensorflow as tf
tf.io.read_file("gs://bucket/object")
"""


def storage_environment(server: socket.socket) -> dict[str, str]:
    """Returns an environment in which TensorFlow's client for Google Cloud Storage contacts our server first."""
    return {**os.environ, "GCE_METADATA_HOST": f"127.0.0.1:{port_of(server)}", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.processes
def test_tensorflow_has_an_operation_that_connects(listening: socket.socket) -> None:
    """Otherwise the next test would not prove anything."""
    process = subprocess.Popen([sys.executable, "-c", READS_FROM_THE_NETWORK], env=storage_environment(listening))
    try:
        listening.settimeout(60)
        connection, _ = listening.accept()
        assert b"computeMetadata" in connection.recv(1024)
        connection.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.processes
def test_a_graph_in_a_runner_cannot_connect(listening: socket.socket) -> None:
    """The verifier would refuse this graph. The test passes it directly to the runner."""

    def work() -> list[tf.Tensor]:
        return [tf.cast(tf.strings.length(tf.io.read_file("gs://bucket/object")), tf.float32)]

    with tempfile.TemporaryDirectory(prefix="fj") as folder:
        path = f"{folder}/s"
        command = [sys.executable, "-m", "fedjobs_worker.runner", "--listen", path]
        host = subprocess.Popen(command, env=storage_environment(listening))
        client = RunnerClient(path, "hospital-a", threads=1)
        try:
            client.load_shard(Digest("network"), shard([], [], work))
            request = messages.Run(digest="network", broadcasts=[], client_inputs=[], clients=1)
            with pytest.raises(FedjobsError) as caught:
                client.run(request, [shared_memory.create("inputs"), shared_memory.create("result")])
        finally:
            client.close()
            host.terminate()
            host.wait(20)
    assert caught.value.code is ErrorCode.SHARD_FAILED
    assert not has_connection(listening)
    assert not Path(path).exists()
