"""An agent from its arguments (`--config /etc/fedjobs/agent.yaml`) to its exit status.

Exit status: 0 it was asked to end (SIGTERM); 3 a file is invalid; 4 the cluster or the metrics' port is not to be had.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import structlog
from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.http_metrics import MetricsServer
from fedjobs_worker import logs
from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, Configuration

from fedjobs_agent import config as configs
from fedjobs_agent.agent import Agent
from fedjobs_agent.cluster import Cluster
from fedjobs_agent.invitations import SecretInvitations
from fedjobs_agent.metrics import AgentMetrics

EXIT_INVALID_FILE, EXIT_ENVIRONMENT = 3, 4
_LOG = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Answers invitations until SIGTERM."""
    options = _options(arguments)
    logs.configure(options.debug)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    try:
        _run(options, stopping)
    except FedjobsError as error:
        sys.stderr.write(f"{error.public}\n")
        return EXIT_INVALID_FILE if error.code is ErrorCode.INVALID_SILO_FILE else EXIT_ENVIRONMENT
    return 0


def _run(options: argparse.Namespace, stopping: threading.Event) -> None:
    config = configs.load(options.config)
    logs.tell(silo=config.silo)
    cluster = Cluster(_api(options.kubeconfig), options.namespace)
    deployment = cluster.deployment(options.deployment) if options.deployment else None
    metrics = AgentMetrics()
    agent = Agent(config, cluster, SecretInvitations(cluster, config.silo), metrics, deployment)
    monitoring = MetricsServer(options.metrics, metrics.registry, agent.healthy)
    _LOG.info("watching for invitations", namespace=options.namespace, metrics=monitoring.port)
    agent.run(stopping)
    monitoring.close()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="agent.yaml")
    parser.add_argument(
        "--namespace", default=os.environ.get("POD_NAMESPACE", "default"), help="its own (default: $POD_NAMESPACE)"
    )
    parser.add_argument(
        "--deployment",
        default=os.environ.get("AGENT_DEPLOYMENT"),
        help="its own, which then owns the workers (default: $AGENT_DEPLOYMENT)",
    )
    parser.add_argument("--metrics", default="0.0.0.0:9090", metavar="HOST:PORT", help="serve /metrics, /healthz there")
    parser.add_argument("--kubeconfig", type=Path, help="to run outside of the cluster")
    parser.add_argument("--debug", action="store_true", help="more in the log")
    return parser.parse_args(arguments)


def _api(kubeconfig: Path | None) -> ApiClient:
    configuration = Configuration()
    try:
        if kubeconfig is None:
            kubernetes_config.load_incluster_config(configuration)
        else:
            kubernetes_config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    except kubernetes_config.ConfigException as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"There is no way to the cluster: {error}.", "Run it in a pod, or give --kubeconfig."
        ) from error
    return ApiClient(configuration)
