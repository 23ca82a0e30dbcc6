"""The runner host: listens, imports TensorFlow once, and forks a runner for each session that connects.

    python -m fedjobs_worker.runner --listen PATH

Importing TensorFlow takes 8 s of CPU time. Forking a process that has imported it takes a few milliseconds. The host
creates the socket before the import, so that sessions can connect and wait. TensorFlow is not initialized before the
fork, because thread pools do not survive it. A runner exits when its connection ends, and all runners exit with the
host.

The host is the child of its keeper (see keeper.py), and is in the sandbox before the import. Exit status 71: the
machine cannot confine a runner.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

import structlog
from fedjobs_common import processes
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_worker import kernel_calls, logs
from fedjobs_worker.channels.channel import Channel, listener
from fedjobs_worker.runner import sandbox
from fedjobs_worker.runner.keeper import Keeper
from fedjobs_worker.runner.sandbox.facts import Fact, isolated, no_isolation
from fedjobs_worker.runner.sandbox.limits import Limits

EXIT_SANDBOX = 71
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Runs the host until SIGTERM."""
    parser = argparse.ArgumentParser("python -m fedjobs_worker.runner", description=__doc__)
    parser.add_argument("--listen", required=True, help="path of the Unix socket")
    parser.add_argument("--socket-mode", type=_mode, default=0o600, help="mode of the socket in octal (default: 0600)")
    parser.add_argument("--processes", type=Path, help="folder in which live processes are registered")
    parser.add_argument("--threads", type=int, help="threads of TensorFlow's kernels (default: one for each core)")
    parser.add_argument("--most-memory", type=int, metavar="BYTES", help="limit of each runner (default: none)")
    parser.add_argument("--most-threads", type=int, metavar="N", help="limit of all runners together (default: none)")
    parser.add_argument(
        "--require-isolation", action="store_true", help="exit if runners could reach files or processes of this user"
    )
    parser.add_argument("--lifeline", action="store_true", help="exit when standard input is closed")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    logs.configure(options.debug)
    signal.signal(signal.SIGTERM, _exit)
    if options.lifeline:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent stops us
    try:
        listening = _listen(options.listen, options.socket_mode)
    except FedjobsError as error:
        sys.stderr.write(f"{error.public}\n")
        return 4
    keeper = Keeper(options.processes)
    try:
        if options.processes:
            processes.register(options.processes, "runner-host")
        keeper.start(lambda enclosed: _confined(listening, keeper.reporting, options, enclosed))
        listening.close()
        if options.lifeline:
            processes.end_with_parent()  # starts a thread, so after the fork
        return keeper.wait()
    except KeyboardInterrupt:
        return 130
    finally:
        keeper.end()
        Path(options.listen).unlink(missing_ok=True)


def _confined(listening: socket.socket, reporting: socket.socket, options: argparse.Namespace, enclosed: bool) -> int:
    """Runs in the host's process. Returns its exit status if the sandbox cannot be closed."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keeper stops us
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)  # the lifeline is the keeper's
        facts = sandbox.confine_host(Limits(options.most_memory, options.most_threads), enclosed=enclosed)
        if options.require_isolation and not isolated(facts):
            sys.stderr.write(f"{no_isolation(facts).public}\n")
            return EXIT_SANDBOX
        _LOG.info("the runner host is confined", facts=sorted(facts))
        _import_tensorflow()
        signal.signal(signal.SIGCHLD, lambda _number, _frame: _reap())
        _accept(listening, reporting, options.threads, facts)
    except kernel_calls.KernelCallError as error:
        _LOG.error("the runner host cannot enter the sandbox and exits", reason=str(error))
        return EXIT_SANDBOX
    except BaseException:
        _LOG.exception("the runner host ended unexpectedly")
        return 1


def _mode(text: str) -> int:
    return int(text, 8)


def _listen(path: str, mode: int) -> socket.socket:
    try:
        return listener(path, mode)
    except OSError as error:
        raise FedjobsError(
            ErrorCode.ALREADY_RUNNING,
            f"The runner host cannot listen at {path}: {error.strerror}.",
            "Choose another path with --listen.",
        ) from error


def _import_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tempfile.tempdir = "/"  # a package asks for the folder at its import; no folder is writable
    import fedjobs_worker.runner.runs  # noqa: F401 (after the socket is created)

    gc.collect()
    gc.freeze()  # a garbage collection in a runner would write to every page with an object, and so copy it


def _accept(
    listening: socket.socket, reporting: socket.socket, threads: int | None, facts: frozenset[Fact]
) -> NoReturn:
    while True:
        connection, _ = listening.accept()  # continues by itself after SIGCHLD
        if _is_gone(connection):  # a probe (see probe.py)
            connection.close()
            continue
        host = os.getpid()
        if os.fork():
            connection.close()
            continue
        status = 1
        try:
            listening.close()
            status = _be_runner(connection, host, reporting, threads, facts)
        except BaseException:
            _LOG.exception("a runner ended unexpectedly")
        finally:
            os._exit(status)  # the host's exit handlers must not run in the runner


def _is_gone(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _be_runner(
    connection: socket.socket, host: int, reporting: socket.socket, threads: int | None, facts: frozenset[Fact]
) -> int:
    from fedjobs_worker.runner import runs

    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel_calls.die_with_parent()
    if os.getppid() != host:  # the host ended before the call above
        return 0
    try:
        sandbox.confine_runner(facts)
    except kernel_calls.KernelCallError as error:
        _LOG.error("the runner cannot enter the sandbox and exits", reason=str(error))
        return EXIT_SANDBOX

    def greeted(silo: str, job: str) -> None:
        logs.tell(silo=silo, job=job)
        with contextlib.suppress(OSError), reporting:  # closed before a graph is loaded
            reporting.send(silo.encode())

    def end_with_connection() -> None:
        poll = select.poll()
        poll.register(connection, 0)  # poll always reports a hang-up
        poll.poll()
        os._exit(0)  # even during a run, because nothing waits for its result

    threading.Thread(target=end_with_connection, name="end-with-connection", daemon=True).start()
    runs.serve(Channel(connection), threads, greeted)
    return 0


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if status:
                _LOG.warning("a runner died", pid=pid, status=os.waitstatus_to_exitcode(status))


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
