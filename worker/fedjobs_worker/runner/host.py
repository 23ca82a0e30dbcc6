"""The runner host: listens, imports TensorFlow once, and forks a runner for each session that connects.

    python -m fedjobs_worker.runner --listen PATH

Importing TensorFlow takes 8 s of CPU time. Forking a process that has imported it takes a few milliseconds. The host
creates the socket before the import, so that sessions can connect and wait. TensorFlow is not initialized before the
fork, because thread pools do not survive it. A runner exits when its connection ends, and all runners exit with the
host.
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

EXIT_SANDBOX = 71
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Runs the host until SIGTERM."""
    parser = argparse.ArgumentParser("python -m fedjobs_worker.runner", description=__doc__)
    parser.add_argument("--listen", required=True, help="path of the Unix socket")
    parser.add_argument("--socket-mode", type=_mode, default=0o600, help="mode of the socket in octal (default: 0600)")
    parser.add_argument("--processes", type=Path, help="folder in which live processes are registered")
    parser.add_argument("--threads", type=int, help="threads of TensorFlow's kernels (default: one for each core)")
    parser.add_argument("--lifeline", action="store_true", help="exit when standard input is closed")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    logs.configure(options.debug)
    signal.signal(signal.SIGTERM, _exit)
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent stops us
    try:
        listening = _listen(options.listen, options.socket_mode)
    except FedjobsError as error:
        sys.stderr.write(f"{error.public}\n")
        return 4
    if options.processes:
        processes.register(options.processes, "runner-host")
    try:
        _import_tensorflow()
        signal.signal(signal.SIGCHLD, lambda _number, _frame: _reap(options.processes))
        _accept(listening, options.processes, options.threads)
    except KeyboardInterrupt:
        return 130
    finally:
        Path(options.listen).unlink(missing_ok=True)


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
    import fedjobs_worker.runner.runs  # noqa: F401 (after the socket is created)

    gc.collect()
    gc.freeze()  # a garbage collection in a runner would write to every page with an object, and so copy it


def _accept(listening: socket.socket, registry: Path | None, threads: int | None) -> NoReturn:
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
            status = _be_runner(connection, host, registry, threads)
        except BaseException:
            _LOG.exception("a runner ended unexpectedly")
        finally:
            os._exit(status)  # the host's exit handlers must not run in the runner


def _is_gone(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _be_runner(connection: socket.socket, host: int, registry: Path | None, threads: int | None) -> int:
    from fedjobs_worker.runner import runs

    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel_calls.die_with_parent()
    if os.getppid() != host:  # the host ended before the call above
        return 0
    try:
        sandbox.enter()
    except kernel_calls.KernelCallError as error:
        _LOG.error("the runner cannot enter the sandbox and exits", reason=str(error))
        return EXIT_SANDBOX

    def greeted(silo: str, job: str) -> None:
        logs.tell(silo=silo, job=job)
        if registry is not None:
            processes.register(registry, "runner", silo)

    def end_with_connection() -> None:
        poll = select.poll()
        poll.register(connection, 0)  # poll always reports a hang-up
        poll.poll()
        os._exit(0)  # even during a run, because nothing waits for its result

    threading.Thread(target=end_with_connection, name="end-with-connection", daemon=True).start()
    runs.serve(Channel(connection), threads, greeted)
    return 0


def _reap(registry: Path | None) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if status:
                _LOG.warning("a runner died", pid=pid, status=os.waitstatus_to_exitcode(status))
            # A runner ends by os._exit or is killed, so its exit handler never removes its registry entry.
            for note in registry.glob(f"runner.*.{pid}.json") if registry is not None else ():
                note.unlink(missing_ok=True)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
