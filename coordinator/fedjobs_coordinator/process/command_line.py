"""The command line of the coordinator: from its arguments to its exit status."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import structlog
from fedjobs_common import digests, processes
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import FinalWord, Phase
from fedjobs_common.untrusted_text import printable_lines
from fedjobs_protocol.identities.identities import Identity
from pydantic import ValidationError

from fedjobs_coordinator.coordinator import Coordinator
from fedjobs_coordinator.process.hub_identities import Hub, certified
from fedjobs_coordinator.process.job_runs import FAILED, SUSPENDED, Destination, JobRun
from fedjobs_coordinator.process.start_deadline import StartDeadline
from fedjobs_coordinator.process.termination_message import TerminationMessage
from fedjobs_coordinator.process.terminations import InterruptedBySignal, Termination
from fedjobs_coordinator.status import logs

CANNOT_START = 4
_LOG = structlog.get_logger()


def run(arguments: list[str] | None, termination: Termination, description: str) -> int:
    """Runs a coordinator and returns its exit status.

    Args:
        arguments: The command-line arguments. Defaults to those of the process.
        termination: The handler of SIGTERM, created at the start of the process.
        description: The description for `--help`.
    """
    options = _parse(arguments, description)
    logs.configure(debug=options.debug)
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent ends this process
    if options.processes:
        processes.register(options.processes, "coordinator")
    message = TerminationMessage(options.termination_message)
    try:
        job = _job(options.job)
    except FedjobsError as error:
        return _not_started(message, error, Phase.FAILED, FAILED)
    try:
        _check_digest(options.job, options.job_digest)
        with _identity(options, job, termination) as identity, _serving(job, identity, options) as coordinator:
            termination.subscribe(coordinator.stop)
            destination = Destination(options.output_uri, options.output_options) if options.output_uri else None
            start = StartDeadline(message, lambda: coordinator.progress.status)
            job_run = JobRun(
                coordinator, termination, options.dir, options.result, destination, start=start, debug=options.debug
            )
            code = job_run.run()
            message.write(FinalWord.of(coordinator.progress.status))
            return code
    except FedjobsError as error:
        return _not_started(message, error, Phase.STARTING, CANNOT_START)
    except InterruptedBySignal:
        message.write(FinalWord(phase=Phase.SUSPENDED))
        return SUSPENDED


def _identity(
    options: argparse.Namespace, job: ResolvedJob, termination: Termination
) -> AbstractContextManager[Callable[[], Identity]]:
    """Returns a context that provides the current identity: from the hub on a cluster, from files on one machine."""
    if options.hub:
        hub = Hub(options.hub, options.hub_name, options.hub_credentials)
        return certified(hub, job.uid, termination, options.metrics)
    identity = Identity.load(options.tls or options.dir / "tls")
    return nullcontext(lambda: identity)


@contextmanager
def _serving(job: ResolvedJob, identity: Callable[[], Identity], options: argparse.Namespace) -> Iterator[Coordinator]:
    """Starts a coordinator. At the end it tells the silos the outcome.

    Raises:
        FedjobsError: ALREADY_RUNNING, PORT_IN_USE, DISK_FULL.
    """
    coordinator = Coordinator(job, identity, options.dir, options.listen)
    try:
        logs.about(job, lambda: coordinator.progress.current_round, debug=options.debug)
        coordinator.progress.subscribe(logs.log_progress)
        if options.metrics:
            _serve_metrics(coordinator, options.metrics)
        write_atomically(options.dir / "address.json", json.dumps({"address": coordinator.address}).encode())
        _LOG.info("listening", address=coordinator.address, generation=coordinator.generation)
        yield coordinator
    except FedjobsError:
        coordinator.close(Phase.SUSPENDED.value)
        raise
    coordinator.close(_outcome(coordinator.progress.status.phase))


def _outcome(phase: Phase) -> str:
    """Returns the outcome for the silos. Without a final phase it is Suspended: the coordinator will restart."""
    return (phase if phase.is_final else Phase.SUSPENDED).value


def _not_started(message: TerminationMessage, error: FedjobsError, phase: Phase, code: int) -> int:
    _LOG.error("cannot start", code=error.code.label, error=error.public)
    sys.stderr.write(f"{printable_lines(error.public)}\n")
    message.write(FinalWord(phase=phase, code=error.code.label, message=error.public))
    return code


def _job(path: Path) -> ResolvedJob:
    """Reads the resolved job.

    Raises:
        FedjobsError: INVALID_JOB.
    """
    try:
        return ResolvedJob.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{path} is not a resolved job: {error}",
            "Use the same release of fedjobs for the coordinator and for the operator or the client.",
        ) from error


def _check_digest(path: Path, expected: str | None) -> None:
    """Checks that the resolved job is the one that the operator wrote. Others may be able to replace it on a cluster.

    Raises:
        FedjobsError: INVALID_JOB. The coordinator is started again, because the operator or a person may restore it.
    """
    if expected is not None and str(digests.digest(path.read_bytes())) != expected:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{path} is not the job that the operator resolved: somebody replaced its ConfigMap.",
            "Restore the ConfigMap, or delete it and restart the operator.",
        )


def _serve_metrics(coordinator: Coordinator, listen: str) -> None:
    """Serves the metrics until the process exits.

    Raises:
        FedjobsError: PORT_IN_USE.
    """
    from fedjobs_common.http_metrics import MetricsServer

    from fedjobs_coordinator.status.prometheus_metrics import CoordinatorMetrics

    metrics = CoordinatorMetrics(lambda: coordinator.progress.status)
    coordinator.progress.subscribe(metrics.count)
    server = MetricsServer(listen, metrics.registry)
    _LOG.info("serving metrics", port=server.port)


def _parse(arguments: list[str] | None, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_coordinator", description=description.splitlines()[0])
    parser.add_argument("--job", type=Path, required=True, help="file with the resolved job (JSON)")
    parser.add_argument("--job-digest", metavar="HEX", help="BLAKE3 digest of that file; it is not checked by default")
    parser.add_argument("--dir", type=Path, required=True, help="folder for the coordinator's persistent state")
    parser.add_argument("--tls", type=Path, help="folder with tls.crt, tls.key and ca.crt (default: tls/ in --dir)")
    parser.add_argument("--hub", metavar="HOST:PORT", help="hub that issues the certificate, instead of --tls")
    parser.add_argument("--hub-name", metavar="NAME", help="name in the hub's certificate")
    parser.add_argument(
        "--hub-credentials", type=Path, metavar="DIR", help="folder with the pod's token and the hub's ca.crt"
    )
    parser.add_argument("--listen", required=True, help="host:port to listen on; port 0 chooses a free port")
    parser.add_argument("--result", type=Path, required=True, help="folder for the result")
    parser.add_argument("--output-uri", help="fsspec URL of the folder that the result is exported to")
    parser.add_argument("--output-options", type=Path, help="file with options of the output's file system (JSON)")
    parser.add_argument("--termination-message", type=Path, help="file for the final word (JSON)")
    parser.add_argument("--metrics", help="host:port that serves /metrics and /healthz over HTTP")
    parser.add_argument("--processes", type=Path, help="folder in which running processes register")
    parser.add_argument("--lifeline", action="store_true", help="exit when standard input is closed")
    parser.add_argument("--debug", action="store_true", help="log stack traces")
    options = parser.parse_args(arguments)
    if len({bool(given) for given in (options.hub, options.hub_name, options.hub_credentials)}) > 1:
        parser.error("--hub, --hub-name and --hub-credentials must be given together")
    if options.hub and options.tls:
        parser.error("--hub and --tls cannot be given together")
    return options
