"""The session process of one silo in one job: `python -m fedjobs_worker`. It never imports TensorFlow.

Exit status: 0 the job is over, or was declined; 3 the silo's file is invalid; 1 anything else that trying again does
not help.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

import structlog
from fedjobs_protocol import processes
from fedjobs_protocol.channels import open_channel
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities import Identity
from fedjobs_protocol.invitations import Invitation
from fedjobs_protocol.session_client import SessionClient
from pydantic import ValidationError

from fedjobs_worker import logs, policies, silo_files
from fedjobs_worker.audits import Audit
from fedjobs_worker.finished_works import FinishedWorks
from fedjobs_worker.loading import Datasets
from fedjobs_worker.policies import Allowed
from fedjobs_worker.runner_client import RunnerClient
from fedjobs_worker.session import Session
from fedjobs_worker.works import Works

EXIT_OVER, EXIT_FAILED, EXIT_INVALID_SILO_FILE = 0, 1, 3
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Takes part in the job until it is over."""
    options = _options(arguments)
    logs.configure(options.debug)
    signal.signal(signal.SIGTERM, _exit)
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in its turn
    try:
        return _run(options)
    except FedjobsError as error:
        if options.debug:
            raise
        sys.stderr.write(f"{error.public}\n")
        return EXIT_INVALID_SILO_FILE if error.code is ErrorCode.INVALID_SILO_FILE else EXIT_FAILED


def _run(options: argparse.Namespace) -> int:
    silo = silo_files.load(options.silo_file)
    invitation = _invitation(options.invitation)
    structlog.contextvars.bind_contextvars(silo=silo.silo, job=invitation.job_uid)
    if options.processes:
        processes.register(options.processes, "worker", silo.silo)
    audit = Audit(options.audit, silo.silo, invitation.job_uid)
    decision = policies.on_invitation(
        silo.policy, silo.silo, silo.datasets, invitation.requested_by, invitation.datasets
    )
    audit.record("invitation", decision, requester=invitation.requested_by, datasets=invitation.datasets)

    datasets = Datasets(silo.silo, silo.datasets, options.processes)
    if isinstance(decision, Allowed):
        for name in invitation.datasets:
            datasets.prefetch(name)
    runner = RunnerClient(options.runner_socket, silo.silo, silo.runner.threads)
    finished = FinishedWorks()
    works = Works(silo, audit, datasets, runner, finished)
    channel = open_channel(invitation.address, invitation.server_name, Identity.load(options.tls))
    try:
        outcome = Session(SessionClient(channel), works, finished, options.state).run(decision)
    finally:
        runner.close()
        datasets.close()
        channel.close()
        works.close()
        finished.close()
        audit.close()
    _LOG.info("the job is over", outcome=outcome)
    return EXIT_OVER


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_worker", description=__doc__)
    parser.add_argument("--silo-file", type=Path, required=True)
    parser.add_argument("--invitation", type=Path, required=True)
    parser.add_argument("--tls", type=Path, required=True, help="folder with tls.crt, tls.key, ca.crt")
    parser.add_argument("--state", type=Path, required=True, help="folder that outlives this process")
    parser.add_argument("--runner-socket", required=True, help="the runner host's unix socket")
    parser.add_argument("--processes", type=Path, help="folder in which live processes note themselves")
    parser.add_argument("--audit", type=Path, required=True, help="the silo's record of its decisions")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input does")
    parser.add_argument("--debug", action="store_true", help="more in the log; a stack trace for an error")
    return parser.parse_args(arguments)


def _invitation(path: Path) -> Invitation:
    try:
        return Invitation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FedjobsError(
            ErrorCode.NOT_INVITED, f"{path} is not an invitation: {error}.", "Get a new one for this job."
        ) from error


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(EXIT_OVER)


if __name__ == "__main__":
    sys.exit(main())
