"""A coordinator's process from its arguments to its exit status."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import structlog
from fedjobs_common import processes
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import FinalWord, Phase
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
    """Runs the coordinator that the arguments ask for.

    Args:
        arguments: None: those of the process.
        termination: Made when the process began.
        description: For `--help`.
    """
    options = _parse(arguments, description)
    logs.configure(debug=options.debug)
    if options.lifeline:
        processes.end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in its turn
    if options.processes:
        processes.register(options.processes, "coordinator")
    message = TerminationMessage(options.termination_message)
    try:
        job = _job(options.job)
    except FedjobsError as error:
        return _not_started(message, error, Phase.FAILED, FAILED)
    try:
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
    """The coordinator's, as it is at any time: the hub's on a cluster, on one machine that of a file."""
    if options.hub:
        hub = Hub(options.hub, options.hub_name, options.hub_credentials)
        return certified(hub, job.uid, termination, options.metrics)
    identity = Identity.load(options.tls or options.dir / "tls")
    return nullcontext(lambda: identity)


@contextmanager
def _serving(job: ResolvedJob, identity: Callable[[], Identity], options: argparse.Namespace) -> Iterator[Coordinator]:
    """A coordinator that listens; at the end its silos are told how that was.

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
        _LOG.info("listening", address=coordinator.address, epoch=coordinator.generation)
        yield coordinator
    except FedjobsError:
        coordinator.close(Phase.SUSPENDED.value)
        raise
    coordinator.close(_outcome(coordinator.progress.status.phase))


def _outcome(phase: Phase) -> str:
    """What silos are told; a coordinator that ends before its job does comes back."""
    return (phase if phase.is_final else Phase.SUSPENDED).value


def _not_started(message: TerminationMessage, error: FedjobsError, phase: Phase, code: int) -> int:
    _LOG.error("cannot start", code=error.code.label, error=error.public)
    sys.stderr.write(f"{error.public}\n")
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
            "Run coordinator and operator, or client, of the same release.",
        ) from error


def _serve_metrics(coordinator: Coordinator, listen: str) -> None:
    """Serves them until the process ends.

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
    parser.add_argument("--job", type=Path, required=True, help="the resolved job, JSON")
    parser.add_argument("--dir", type=Path, required=True, help="folder that outlives the process")
    parser.add_argument("--tls", type=Path, help="folder with tls.crt, tls.key and ca.crt; by default tls/ in --dir")
    parser.add_argument("--hub", metavar="HOST:PORT", help="instead: who issues it, for this pod's token")
    parser.add_argument("--hub-name", metavar="NAME", help="in the hub's certificate")
    parser.add_argument("--hub-credentials", type=Path, metavar="DIR", help="folder with token and ca.crt")
    parser.add_argument("--listen", required=True, help="host:port; port 0 chooses one")
    parser.add_argument("--result", type=Path, required=True, help="folder for the result")
    parser.add_argument("--output-uri", help="where the result is exported to: any fsspec URL of a folder")
    parser.add_argument("--output-options", type=Path, help="the output file system's own options, JSON")
    parser.add_argument("--termination-message", type=Path, help="file for how it ended, JSON")
    parser.add_argument("--metrics", help="host:port for /metrics and /healthz, plain HTTP")
    parser.add_argument("--processes", type=Path, help="folder in which live processes note themselves")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input does")
    parser.add_argument("--debug", action="store_true", help="log stack traces")
    options = parser.parse_args(arguments)
    if len({bool(given) for given in (options.hub, options.hub_name, options.hub_credentials)}) > 1:
        parser.error("--hub, --hub-name and --hub-credentials belong together")
    if options.hub and options.tls:
        parser.error("--hub and --tls are two ways to a certificate: give one")
    return options
