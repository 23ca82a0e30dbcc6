"""Takes part in one job as a silo. The session process never imports TensorFlow.

Exit status: 0 if the job ended or was declined, 3 if the silo file is invalid, 75 if the process was stopped by SIGTERM
and has a grace period (`--grace`), 1 for any other error that a retry does not fix. The termination message has the
details.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from pathlib import Path

import structlog
from fedjobs_common import processes
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from fedjobs_common.ids import JobUid
from fedjobs_common.untrusted_text import printable
from fedjobs_protocol.hub.invitations import Invitation
from pydantic import ValidationError

from fedjobs_worker import logs, silo_files, termination_message
from fedjobs_worker.consent import decision_options
from fedjobs_worker.consent.admissions import admitted
from fedjobs_worker.consent.policies import Allowed
from fedjobs_worker.data.dataset_loaders import Datasets
from fedjobs_worker.metrics import WorkerMetrics
from fedjobs_worker.runner.client import RunnerClient
from fedjobs_worker.runner.sampling_secrets import sampling_secret
from fedjobs_worker.sessions import connections
from fedjobs_worker.sessions.finished_works import FinishedWorks
from fedjobs_worker.sessions.session import Session
from fedjobs_worker.sessions.works import Works
from fedjobs_worker.termination import EXIT_STOPPED, StopAskedError, Stopping
from fedjobs_worker.termination_message import LastWord, Outcome

EXIT_OVER, EXIT_FAILED, EXIT_INVALID_SILO_FILE = 0, 1, 3
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Takes part in the job until it ends. Returns the exit status."""
    options = _options(arguments)
    logs.configure(options.debug)
    stopping = Stopping(options.grace)
    stopping.on_sigterm()
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent stops us
    try:
        outcome = _run(options, stopping)
    except StopAskedError:
        termination_message.write(options.termination_message, LastWord(outcome=Outcome.INTERRUPTED))
        return EXIT_STOPPED if options.grace else EXIT_OVER
    except FedjobsError as error:
        termination_message.write(options.termination_message, termination_message.of_error(error))
        if options.debug:
            raise
        sys.stderr.write(f"{printable(error.public)}\n")
        return EXIT_INVALID_SILO_FILE if error.code is ErrorCode.INVALID_SILO_FILE else EXIT_FAILED
    termination_message.write(options.termination_message, LastWord(outcome=outcome))
    return EXIT_OVER


def _run(options: argparse.Namespace, stopping: Stopping) -> Outcome:
    metrics = WorkerMetrics()
    with _served(options.metrics, metrics):
        return _taken_part(options, stopping, metrics)


def _taken_part(options: argparse.Namespace, stopping: Stopping, metrics: WorkerMetrics) -> Outcome:
    silo = silo_files.load(options.silo_file)
    invitation = _invitation(options.invitation)
    logs.tell(silo=silo.silo, job=invitation.job_name, jobUid=invitation.job_uid)
    if options.processes:
        processes.register(options.processes, "worker", silo.silo)
    audit, ledger, consents = decision_options.made(options, silo, invitation)
    decision = admitted(silo, invitation, audit, ledger)

    datasets = Datasets(silo.silo, silo.datasets, options.processes)
    if isinstance(decision, Allowed):
        for name in invitation.datasets:
            datasets.prefetch(name)
    runner = RunnerClient(options.runner_socket, silo.silo, silo.runner.threads, invitation.job_name)
    finished = FinishedWorks()
    job = JobUid(invitation.job_uid)
    secret = sampling_secret(options.state, options.sampling_secret)
    works = Works(silo, job, audit, ledger, consents, datasets, runner, secret, options.device_note)
    try:
        with connections.connected(options, invitation) as client:
            session = Session(client, works, consents, finished, options.state, metrics, stopping)
            outcome = Outcome(session.run(decision))
    finally:
        runner.close()
        datasets.close()
        works.close()
        finished.close()
        audit.close()
    _LOG.info("the job ended", outcome=outcome)
    return outcome


def _served(address: str | None, metrics: WorkerMetrics) -> contextlib.AbstractContextManager[object]:
    return contextlib.closing(MetricsServer(address, metrics.registry)) if address else contextlib.nullcontext()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_worker", description=__doc__)
    parser.add_argument("--silo-file", type=Path, required=True)
    parser.add_argument("--invitation", type=Path, required=True)
    connections.add_options(parser)
    parser.add_argument("--state", type=Path, required=True, help="folder for state that outlives this process")
    parser.add_argument(
        "--sampling-secret",
        type=Path,
        metavar="FILE",
        help="the secret for the sampling of clients (default: one that is created in the --state folder)",
    )
    parser.add_argument("--runner-socket", required=True, help="the runner host's Unix socket")
    parser.add_argument("--processes", type=Path, help="folder in which live processes are registered")
    decision_options.add_options(parser)
    parser.add_argument("--device-note", default="", metavar="TEXT", help="text to report with the device in use")
    parser.add_argument("--metrics", metavar="HOST:PORT", help="address for /metrics and /healthz")
    parser.add_argument("--termination-message", type=Path, metavar="FILE", help="file for the termination message")
    parser.add_argument(
        "--grace", type=float, default=0, metavar="SECONDS", help="time to finish current work at SIGTERM (default: 0)"
    )
    parser.add_argument("--lifeline", action="store_true", help="exit when standard input is closed")
    parser.add_argument("--debug", action="store_true", help="write more detailed logs, with stack traces")
    options = parser.parse_args(arguments)
    connections.check_options(parser, options)
    return options


def _invitation(path: Path) -> Invitation:
    try:
        return Invitation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FedjobsError(
            ErrorCode.NOT_INVITED,
            f"{path} is not a valid invitation: {printable(str(error))}.",
            "Get a new invitation for this job.",
        ) from error
