"""Runs the agent of a silo.

On Kubernetes, use `--config /etc/fedjobs/agent.yaml`. The workers are Jobs, and the identity is in a Secret. On a
machine without Kubernetes, add `--folder DIR`. The workers are processes, and the identity is in the folder.

Exit status: 0 if the agent was stopped by SIGTERM, 3 if a file is invalid, 4 if the cluster, the folder or the port for
metrics is not available, 5 if another agent of the same silo has replaced this one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from fedjobs_common.untrusted_text import printable_lines
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_worker import logs
from fedjobs_worker.consent import audit_chains

from fedjobs_agent import config as configs
from fedjobs_agent import platforms
from fedjobs_agent.agent import Agent
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.federation.announcements import announcement
from fedjobs_agent.federation.invitations import HubInvitations
from fedjobs_agent.identity.enrolments import Enrolment
from fedjobs_agent.identity.job_identities import JobIdentities
from fedjobs_agent.metrics import AgentMetrics
from fedjobs_agent.platforms import Surroundings
from fedjobs_agent.silo_file_reader import SiloFileReader

EXIT_INVALID_FILE, EXIT_ENVIRONMENT, EXIT_SUPERSEDED = 3, 4, 5
_EXITS = {ErrorCode.INVALID_SILO_FILE: EXIT_INVALID_FILE, ErrorCode.SESSION_SUPERSEDED: EXIT_SUPERSEDED}
_LOOK_S = 0.1
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Runs the agent until SIGTERM. Returns the exit status."""
    options = _options(arguments)

    def made() -> tuple[AgentConfig, Surroundings]:
        config = configs.load(options.config)
        SiloFileReader(config)  # checks the silo file before connecting
        if options.folder is not None:
            trusts = options.trust_job_owners
            return config, platforms.of_machine(config, options.folder, debug=options.debug, trusts_job_owners=trusts)
        return config, platforms.of_cluster(config, options.kubeconfig, options.namespace, options.deployment)

    return _served(made, options.metrics_bind_address, debug=options.debug, waits=options.folder is None)


def serve_machine(
    config: AgentConfig, folder: Path, metrics: str, *, debug: bool = False, trusts_job_owners: bool = False
) -> int:
    """Runs the agent of a machine without Kubernetes in this process. Returns the exit status.

    Args:
        config: The agent's configuration.
        folder: The agent's folder, which no other agent uses.
        metrics: The `host:port` for /metrics and /healthz.
        debug: Whether to write more detailed logs.
        trusts_job_owners: Whether to run without isolation, where the machine offers none.
    """

    def made() -> tuple[AgentConfig, Surroundings]:
        return config, platforms.of_machine(config, folder, debug=debug, trusts_job_owners=trusts_job_owners)

    return _served(made, metrics, debug=debug, waits=False)


def _served(make: Callable[[], tuple[AgentConfig, Surroundings]], metrics: str, *, debug: bool, waits: bool) -> int:
    logs.configure(debug)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    try:
        config, around = make()
        logs.tell(silo=config.silo)
        with contextlib.closing(around):
            _run(config, around, metrics, stopping, waits=waits)
    except FedjobsError as error:
        if error.code is ErrorCode.SESSION_SUPERSEDED:
            _LOG.error("this agent exits: another agent of the same silo has replaced it", error=error.public)
        sys.stderr.write(f"{printable_lines(error.public)}\n")
        return _EXITS.get(error.code, EXIT_ENVIRONMENT)
    return 0


def _run(
    config: AgentConfig, around: Surroundings, metrics_address: str, stopping: threading.Event, *, waits: bool
) -> None:
    silo_file = SiloFileReader(config)
    metrics = AgentMetrics()
    enrolment = Enrolment(
        config.silo,
        around.store,
        lambda: _token(config.token_file),
        config.dial_address,
        token_place="the Helm value token of the silo's release" if waits else str(config.token_file),
    )
    renewing = Renewing(enrolment.obtain, enrolment.renew)
    agent_id = str(uuid.uuid4())
    invitations = HubInvitations(
        config.silo,
        agent_id,
        lambda: enrolment.link,
        renewing,
        lambda: announcement(silo_file.current(), agent_id),
        lambda: _audit_anchor(config.audit_file),
    )
    identities = JobIdentities(lambda: enrolment.link, renewing)
    agent = Agent(config, silo_file, around.workers, invitations, identities, metrics)
    if around.audit is not None:
        around.audit.on_problem = metrics.audit_problem
    metrics.follow(lambda: invitations.connected, lambda: _expires(renewing))
    with contextlib.closing(MetricsServer(metrics_address, metrics.registry, agent.healthy)) as monitoring:
        _LOG.info("watching for invitations", where=around.where, metrics=monitoring.port)
        with contextlib.closing(renewing):
            renewing.start()
            # On a cluster, a rejected token can be replaced while the agent waits. On a terminal, the agent exits with
            # an error.
            if not waits:
                _first(renewing, stopping)
            agent.run(stopping)


def _audit_anchor(log: Path) -> str:
    """Returns the state of the audit log, or an empty string if it cannot be read now."""
    try:
        return str(audit_chains.head(log) or "")
    except FedjobsError as error:
        _LOG.error("cannot read the audit log", error=error.public)
        return ""


def _first(renewing: Renewing, stopping: threading.Event) -> None:
    """Waits for the first certificate or for SIGTERM.

    Raises:
        FedjobsError: The hub rejects the token.
    """
    while not stopping.wait(_LOOK_S):
        try:
            renewing.current()
        except FedjobsError as error:
            if not error.retryable:
                raise
        else:
            return


def _token(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_TOKEN, f"{path} cannot be read: {error}.", "Give the agent read permission."
        ) from error


def _expires(renewing: Renewing) -> float:
    try:
        return renewing.current().expires.timestamp()
    except FedjobsError:
        return 0.0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of agent.yaml")
    parser.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE", "default"),
        help="the agent's namespace (default: $POD_NAMESPACE)",
    )
    parser.add_argument(
        "--deployment",
        default=os.environ.get("AGENT_DEPLOYMENT"),
        help="the agent's Deployment, which becomes the owner of the workers (default: $AGENT_DEPLOYMENT)",
    )
    parser.add_argument(
        "--folder", type=Path, help="run without Kubernetes: workers are processes, and the identity is in this folder"
    )
    parser.add_argument(
        "--trust-job-owners", action="store_true", help="with --folder: run even if runners cannot be isolated"
    )
    parser.add_argument(
        "--metrics-bind-address", default="0.0.0.0:9090", metavar="HOST:PORT", help="address for /metrics and /healthz"
    )
    parser.add_argument("--kubeconfig", type=Path, help="kubeconfig, to run outside the cluster")
    parser.add_argument("--debug", action="store_true", help="write more detailed logs")
    return parser.parse_args(arguments)
