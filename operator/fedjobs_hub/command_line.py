"""A hub's process from its arguments to its exit status."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import signal
import sys
import time

from fedjobs_common import logs
from fedjobs_common.errors import FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from fedjobs_operator.cluster.api_calls import ApiError
from fedjobs_protocol.identities.certificates import Issuer
from kubernetes.config import ConfigException

from fedjobs_hub import hubs, metrics
from fedjobs_hub.certificates.cert_manager import CertManager, IssuerRef, issuer_ref
from fedjobs_hub.cluster.cluster_api import ClusterApi
from fedjobs_hub.hubs import Ports
from fedjobs_hub.settings import Lifetimes, Settings

CANNOT_START = 4
_DAY_S = 86_400
_LONGEST_GRACE_S = 90 * _DAY_S
"""Generations of issuers last a year; two must overlap by more than this without meeting a third."""
_LONGEST_BEAT_S = 30.0


def run(arguments: list[str] | None, description: str) -> int:
    """Runs the hub that the arguments ask for, until a signal ends it."""
    options = _parse(arguments, description)
    logs.configure(debug=options.debug)
    heart = Heart()
    try:
        for listen in sorted({options.metrics, options.health}):
            MetricsServer(listen, metrics.REGISTRY, heart.beats)
        asyncio.run(_run(options, heart))
    except FedjobsError as error:
        sys.stderr.write(f"error {error.code.label}: {error.public}\n")
        return CANNOT_START
    except (ApiError, ConfigException) as error:
        sys.stderr.write(f"The cluster cannot be used: {error}\n")
        return CANNOT_START
    return 0


class Heart:
    """Whether the event loop still goes round."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beats(self) -> bool:
        return time.monotonic() - self._last < _LONGEST_BEAT_S

    async def run(self) -> None:
        """Never returns."""
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
        own_namespace=options.own_namespace,
        front_door=options.front_door,
        address=options.address,
        operator_account=options.operator_account,
        namespaces=tuple(options.namespace),
        silo_chart=options.silo_chart,
        lifetimes=Lifetimes(
            certificate=datetime.timedelta(seconds=options.certificate_lifetime),
            worker=datetime.timedelta(seconds=options.worker_lifetime),
            token=datetime.timedelta(seconds=options.token_lifetime),
            grace=datetime.timedelta(seconds=options.grace),
        ),
    )
    ports = Ports(options.listen, options.listen_enrolment)
    api = ClusterApi.connect()
    make = CertManager(api, options.own_namespace, options.issuer) if options.issuer else Issuer.create
    await hubs.run(api, settings, make, ports, stopping)
    beating.cancel()


def _parse(arguments: list[str] | None, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fedjobs_hub", description=description)
    add = parser.add_argument
    add("--own-namespace", required=True, help="where the hub keeps what is its own")
    add("--front-door", required=True, metavar="HOST", help="the name of the federation's front door")
    add("--address", required=True, metavar="HOST:PORT", help="the front door as silos dial it")
    add("--operator-account", required=True, metavar="NAME", help="the operator's ServiceAccount")
    add("--listen", default="0.0.0.0:8443", help="host:port for who has a certificate")
    add("--listen-enrolment", default="0.0.0.0:8444", help="host:port for who has none")
    add("--namespace", action="append", default=[], help="of jobs, may be repeated; default: all")
    add(
        "--certificate-lifetime",
        type=_seconds,
        default=_DAY_S,
        metavar="SECONDS",
        help="of agents, coordinators, operator",
    )
    add("--worker-lifetime", type=_seconds, default=3600, metavar="SECONDS", help="of a worker's certificate")
    add("--token-lifetime", type=_seconds, default=7 * _DAY_S, metavar="SECONDS", help="of a silo's invitation")
    add(
        "--grace",
        type=_grace,
        default=30 * _DAY_S,
        metavar="SECONDS",
        help="how long an expired certificate can be renewed",
    )
    add("--silo-chart", default="helm/fedjobs-silo", help="the silo's chart, as helm install takes it")
    add("--issuer", type=_issuer, metavar="KIND/NAME", help="of cert-manager, that signs the authority; default: none")
    add("--metrics", default="0.0.0.0:9090", help="host:port of /metrics")
    add("--health", default="0.0.0.0:8080", help="host:port of /healthz")
    add("--debug", action="store_true", help="log more")
    return parser.parse_args(arguments)


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError("at least one second")
    return seconds


def _grace(text: str) -> int:
    seconds = int(text)
    if not 0 <= seconds <= _LONGEST_GRACE_S:
        raise argparse.ArgumentTypeError(f"between 0 and {_LONGEST_GRACE_S}, which is 90 days")
    return seconds


def _issuer(text: str) -> IssuerRef:
    try:
        return issuer_ref(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
