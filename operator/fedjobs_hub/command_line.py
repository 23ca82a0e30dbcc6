"""The command line of the hub."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import signal
import sys
import time

from fedjobs_api.api_calls import ApiError
from fedjobs_common import logs
from fedjobs_common.errors import FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from fedjobs_protocol.identities.certificates import Issuer
from kubernetes.config import ConfigException

from fedjobs_hub import hub as hubs
from fedjobs_hub import metrics
from fedjobs_hub.certificates.cert_manager import CertManager, IssuerRef, issuer_ref
from fedjobs_hub.cluster.cluster_api import ClusterApi
from fedjobs_hub.hub import Ports
from fedjobs_hub.settings import Lifetimes, Settings

CANNOT_START = 4
_DAY_S = 86_400
_LONGEST_GRACE_S = 90 * _DAY_S
"""Generations of issuers last a year. Two generations must overlap by more than this without reaching a third."""
_LONGEST_BEAT_S = 30.0


def run(arguments: list[str] | None, description: str) -> int:
    """Runs the hub until a signal stops it. Returns the exit status."""
    options = _parse(arguments, description)
    logs.configure(debug=options.debug)
    heart = Heart()
    try:
        for listen in sorted({options.metrics_bind_address, options.health_probe_bind_address}):
            MetricsServer(listen, metrics.REGISTRY, heart.beats)
        asyncio.run(_run(options, heart))
    except FedjobsError as error:
        sys.stderr.write(f"error {error.code.label}: {error.public}\n")
        return CANNOT_START
    except (ApiError, ConfigException) as error:
        sys.stderr.write(f"Cannot access the cluster: {error}\n")
        return CANNOT_START
    return 0


class Heart:
    """Checks whether the event loop still runs."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beats(self) -> bool:
        return time.monotonic() - self._last < _LONGEST_BEAT_S

    async def run(self) -> None:
        """Records that the event loop runs, every second. Never returns."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(1)


async def _run(options: argparse.Namespace, heart: Heart) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    beating = asyncio.create_task(heart.run())
    settings = Settings(
        own_namespace=options.namespace,
        front_door=options.front_door_host,
        address=options.front_door_address,
        operator_account=options.operator_service_account,
        authority_namespace=options.authority_namespace,
        namespaces=tuple(options.watch_namespace),
        silo_chart=options.silo_chart,
        lifetimes=Lifetimes(
            certificate=datetime.timedelta(seconds=options.certificate_lifetime_seconds),
            worker=datetime.timedelta(seconds=options.worker_certificate_lifetime_seconds),
            token=datetime.timedelta(seconds=options.token_lifetime_seconds),
            grace=datetime.timedelta(seconds=options.grace_period_seconds),
        ),
    )
    ports = Ports(options.bind_address, options.enrolment_bind_address)
    api = ClusterApi.connect()
    make = CertManager(api, options.namespace, options.issuer) if options.issuer else Issuer.create
    await hubs.run(api, settings, make, ports, stopping)
    beating.cancel()


def _parse(arguments: list[str] | None, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_hub", description=description)
    add = parser.add_argument
    add("--namespace", required=True, help="the hub's namespace, for its own objects")
    add("--authority-namespace", required=True, help="the namespace of the Secret with the authority's keys")
    add("--front-door-host", required=True, metavar="HOST", help="the host name of the federation's front door")
    add("--front-door-address", required=True, metavar="HOST:PORT", help="the address that silos connect to")
    add("--operator-service-account", required=True, metavar="NAME", help="the operator's ServiceAccount")
    add("--bind-address", default="0.0.0.0:8443", help="host:port for callers with a certificate")
    add("--enrolment-bind-address", default="0.0.0.0:8444", help="host:port for callers without a certificate")
    add("--watch-namespace", action="append", default=[], help="namespace of jobs, can be repeated (default: all)")
    add(
        "--certificate-lifetime-seconds",
        type=_seconds,
        default=_DAY_S,
        metavar="SECONDS",
        help="lifetime of the certificates of agents, coordinators and the operator",
    )
    add(
        "--worker-certificate-lifetime-seconds",
        type=_seconds,
        default=3600,
        metavar="SECONDS",
        help="lifetime of a worker's certificate",
    )
    add(
        "--token-lifetime-seconds",
        type=_seconds,
        default=7 * _DAY_S,
        metavar="SECONDS",
        help="lifetime of the token in a silo's invitation",
    )
    add(
        "--grace-period-seconds",
        type=_grace,
        default=30 * _DAY_S,
        metavar="SECONDS",
        help="how long an expired certificate can be renewed",
    )
    add("--silo-chart", default="helm/fedjobs-silo", help="the silo chart in the helm install command of invitations")
    add("--issuer", type=_issuer, metavar="KIND/NAME", help="the cert-manager issuer of the authority (default: none)")
    add("--metrics-bind-address", default="0.0.0.0:9090", help="host:port for /metrics")
    add("--health-probe-bind-address", default="0.0.0.0:8080", help="host:port for /healthz")
    add("--debug", action="store_true", help="write more detailed logs")
    return parser.parse_args(arguments)


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return seconds


def _grace(text: str) -> int:
    seconds = int(text)
    if not 0 <= seconds <= _LONGEST_GRACE_S:
        raise argparse.ArgumentTypeError(f"must be between 0 and {_LONGEST_GRACE_S} (90 days)")
    return seconds


def _issuer(text: str) -> IssuerRef:
    try:
        return issuer_ref(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
