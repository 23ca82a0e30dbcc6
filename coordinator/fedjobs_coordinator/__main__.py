"""A job's coordinator as a process.

    python -m fedjobs_coordinator --job job.json --dir DIR --listen 127.0.0.1:0 --result RESULT

Exit status: 0 complete; 1 failed, `status.json` says why; 4 it cannot start here (port in use, another coordinator in
the folder); 75 suspended by SIGTERM, goes on when started again. Anything else is a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import structlog
from fedjobs_protocol import processes
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.files import write_atomically
from fedjobs_protocol.identities import Identity
from fedjobs_protocol.jobs import ResolvedJob
from fedjobs_protocol.statuses import Phase

from fedjobs_coordinator.coordinator import Coordinator, SuspendedError

if TYPE_CHECKING:
    from fedjobs_coordinator.program_runs import ProgramRun

COMPLETE, FAILED, CANNOT_START, SUSPENDED = 0, 1, 4, 75
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Runs the coordinator to the end of its job."""
    options = _parse(arguments)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if options.debug else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in its turn
    if options.processes:
        processes.register(options.processes, "coordinator")
    job = ResolvedJob.model_validate_json(options.job.read_bytes())
    try:
        coordinator = Coordinator(job, Identity.load(options.dir / "tls"), options.dir, options.listen)
    except FedjobsError as error:
        _LOG.error("cannot start", code=error.code.label, error=error.public)
        sys.stderr.write(f"{error.public}\n")
        return CANNOT_START
    signal.signal(signal.SIGTERM, lambda *_: coordinator.stop())
    write_atomically(options.dir / "address.json", json.dumps({"address": coordinator.address}).encode())
    _LOG.info("listening", address=coordinator.address, job=job.name, epoch=coordinator.epoch)
    outcome, code = _run(coordinator, options.dir, options.result, debug=options.debug)
    coordinator.close(outcome.value)
    return code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_coordinator", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--job", type=Path, required=True, help="the resolved job, JSON")
    parser.add_argument("--dir", type=Path, required=True, help="folder that outlives the process; has tls/")
    parser.add_argument("--listen", required=True, help="host:port; port 0 chooses one")
    parser.add_argument("--result", type=Path, required=True, help="folder for the result")
    parser.add_argument("--processes", type=Path, help="folder in which live processes note themselves")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input does")
    parser.add_argument("--debug", action="store_true", help="log stack traces")
    return parser.parse_args(arguments)


def _run(coordinator: Coordinator, directory: Path, result: Path, *, debug: bool) -> tuple[Phase, int]:
    """Runs the program to its end, whatever that is."""
    progress = coordinator.progress
    try:
        program_run = _imported(coordinator)
        asyncio.run(program_run(coordinator, directory, result).run_program())
    except SuspendedError:
        progress.phase(Phase.SUSPENDED, "it goes on from its last finished round when it is started again")
        return Phase.SUSPENDED, SUSPENDED
    except FedjobsError as error:
        failure = error
        if debug:
            _LOG.exception("the program failed")
    except Exception as error:
        _LOG.exception("the program failed")
        failure = FedjobsError(ErrorCode.PROGRAM_FAILED, f"{type(error).__name__}: {error}", "The log has the details.")
    else:
        progress.phase(Phase.COMPLETE)
        return Phase.COMPLETE, COMPLETE
    _LOG.error("failed", code=failure.code.label, error=failure.public)
    progress.phase(Phase.FAILED, failure.public, failure.code.label)
    return Phase.FAILED, FAILED


class _StoppedError(BaseException):
    """No Exception: many modules try to import others, and go on after any Exception."""


def _imported(coordinator: Coordinator) -> type[ProgramRun]:
    """Imports TensorFlow Federated, while silos connect.

    Raises:
        SuspendedError: By SIGTERM: the import takes seconds, in which nothing looks whether somebody wants to stop.
    """

    def stop(*_: object) -> NoReturn:
        coordinator.stop()  # for the case that some module takes the exception for one of its own and goes on
        raise _StoppedError

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    afterwards = signal.signal(signal.SIGTERM, stop)
    try:
        coordinator.check_stopping()
        from fedjobs_coordinator.program_runs import ProgramRun
    except _StoppedError as stopped:
        raise SuspendedError from stopped
    except Exception:
        coordinator.check_stopping()  # a module may have made another error of it
        raise
    finally:
        signal.signal(signal.SIGTERM, afterwards)
    return ProgramRun


if __name__ == "__main__":
    sys.exit(main())
