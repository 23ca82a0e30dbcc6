"""The operator as a process: `python -m fedjobs_operator`.

Exit status: 0 if it was ended by a signal, 4 if it must not run, anything else after a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import kopf
import structlog
from fedjobs_common import logs
from prometheus_client import start_http_server

from fedjobs_operator.controller import handlers
from fedjobs_operator.controller.operator import Operator
from fedjobs_operator.settings import CoordinatorImage, FrontDoor, Hub, Settings

_CANNOT_START = 4
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def main(arguments: list[str] | None = None) -> int:
    """Runs the operator until a signal ends it."""
    options = _parse(arguments)
    _log(debug=options.debug)
    host, _, port = options.metrics_bind_address.rpartition(":")
    try:
        start_http_server(int(port), host)
    except OSError as error:
        sys.stderr.write(
            f"Cannot serve metrics at {options.metrics_bind_address}: {error.strerror}."
            " Set --metrics-bind-address to another address.\n"
        )
        return _CANNOT_START
    registry = kopf.OperatorRegistry()
    stopping = asyncio.Event()
    operator = Operator(_settings(options), stopping.set)
    handlers.register(registry, operator)
    kopf.run(
        registry=registry,
        stop_flag=stopping,
        standalone=True,
        clusterwide=not options.watch_namespace,
        namespaces=options.watch_namespace,
        liveness_endpoint=f"http://{options.health_probe_bind_address}/healthz",
    )
    if operator.failure is not None:
        sys.stderr.write(f"error {operator.failure.code.label}: {operator.failure.public}\n")
        return _CANNOT_START
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    front_door = FrontDoor(options.front_door_host, options.front_door_address)
    return Settings(
        own_namespace=options.namespace,
        authority_namespace=options.authority_namespace,
        image=CoordinatorImage(options.coordinator_image, options.image_pull_policy),
        front_door=front_door,
        hub=Hub.of(front_door, options.hub_address),
        namespaces=tuple(options.watch_namespace),
        cluster_domain=options.cluster_domain,
        token=options.hub_token_file,
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_operator", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--namespace", required=True, help="the namespace of operator, hub and front door")
    parser.add_argument("--authority-namespace", required=True, help="the namespace of the authority's keys")
    parser.add_argument(
        "--watch-namespace",
        action="append",
        default=[],
        help="a namespace to watch for jobs; can be repeated (default: all namespaces)",
    )
    parser.add_argument("--coordinator-image", required=True, help="the image of the coordinators")
    parser.add_argument(
        "--front-door-host", required=True, metavar="HOST", help="the DNS name of the federation's front door"
    )
    parser.add_argument(
        "--front-door-address",
        required=True,
        metavar="HOST:PORT",
        help="the address of the front door that silos connect to",
    )
    parser.add_argument(
        "--hub-address", required=True, metavar="HOST:PORT", help="the address of the hub's enrolment port"
    )
    parser.add_argument(
        "--hub-token-file",
        type=Path,
        default=Path("/hub/token"),
        help="the file with the pod's service account token for the hub (default: %(default)s)",
    )
    parser.add_argument(
        "--cluster-domain", default="cluster.local", help="the DNS domain of the cluster (default: %(default)s)"
    )
    parser.add_argument(
        "--image-pull-policy",
        choices=_PULL_POLICIES,
        default="IfNotPresent",
        help="the pull policy of the coordinator image (default: %(default)s)",
    )
    parser.add_argument(
        "--metrics-bind-address",
        default="0.0.0.0:9090",
        help="the host:port that serves /metrics (default: %(default)s)",
    )
    parser.add_argument(
        "--health-probe-bind-address",
        default="0.0.0.0:8080",
        help="the host:port that serves /healthz (default: %(default)s)",
    )
    parser.add_argument("--debug", action="store_true", help="enable debug logs")
    return parser.parse_args(arguments)


def _log(*, debug: bool) -> None:
    """Configures the logs as JSON lines, including those of kopf and other libraries."""
    logs.configure(debug=debug)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *logs.LEVEL_AND_TIME],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
