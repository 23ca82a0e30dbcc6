"""The operator as a process: `python -m fedjobs_operator`.

Exit status: 0 ended by a signal; 4 it cannot start here; anything else is a crash.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import kopf
import structlog
from fedjobs_common import logs
from prometheus_client import start_http_server

from fedjobs_operator import handlers
from fedjobs_operator.operators import Operator
from fedjobs_operator.settings import CoordinatorImage, FrontDoor, Hub, Settings

_CANNOT_START = 4
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def main(arguments: list[str] | None = None) -> int:
    """Runs the operator until a signal ends it."""
    options = _parse(arguments)
    _log(debug=options.debug)
    host, _, port = options.metrics.rpartition(":")
    try:
        start_http_server(int(port), host)
    except OSError as error:
        sys.stderr.write(f"The metrics cannot be served at {options.metrics}: {error.strerror}. Choose another port.\n")
        return _CANNOT_START
    registry = kopf.OperatorRegistry()
    handlers.register(registry, Operator(_settings(options)))
    kopf.run(
        registry=registry,
        standalone=True,
        clusterwide=not options.namespace,
        namespaces=options.namespace,
        liveness_endpoint=f"http://{options.health}/healthz",
    )
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    front_door = FrontDoor(options.front_door, options.address)
    return Settings(
        own_namespace=options.own_namespace,
        image=CoordinatorImage(options.coordinator_image, options.image_pull_policy),
        front_door=front_door,
        hub=Hub.of(front_door, options.hub),
        namespaces=tuple(options.namespace),
        cluster_domain=options.cluster_domain,
        token=options.hub_token,
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_operator", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--own-namespace", required=True, help="namespace of hub and front door")
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        help="of jobs, may be repeated; default: all",
    )
    parser.add_argument("--coordinator-image", required=True, help="image of the coordinators")
    parser.add_argument("--front-door", required=True, metavar="HOST", help="the name of the federation's front door")
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="the front door as silos dial it")
    parser.add_argument("--hub", required=True, metavar="HOST:PORT", help="the hub's port for who has no certificate")
    parser.add_argument("--hub-token", type=Path, default=Path("/hub/token"), help="file with this pod's token")
    parser.add_argument("--cluster-domain", default="cluster.local", help="the end of the names of Services")
    parser.add_argument("--image-pull-policy", choices=_PULL_POLICIES, default="IfNotPresent")
    parser.add_argument("--metrics", default="0.0.0.0:9090", help="host:port of /metrics")
    parser.add_argument("--health", default="0.0.0.0:8080", help="host:port of /healthz")
    parser.add_argument("--debug", action="store_true", help="log more")
    return parser.parse_args(arguments)


def _log(*, debug: bool) -> None:
    """JSON lines, those of kopf and of the libraries too."""
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
