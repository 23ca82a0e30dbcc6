"""The coordinator's certificate on a cluster: from the hub, for a key that is in this process's memory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from fedjobs_protocol.hub.hub_client import EnrolmentClient
from fedjobs_protocol.hub.pod_identities import PodIdentities, contents
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.renewals import Renewing
from prometheus_client import CollectorRegistry

from fedjobs_coordinator.process.terminations import Termination

_LOG = structlog.get_logger()


@dataclass(frozen=True)
class Hub:
    """Where the hub is, and what is mounted to ask it.

    Attributes:
        address: `host:port` of its port for who has no certificate yet.
        name: In its certificate there.
        credentials: Folder with `token`, the pod's, and `ca.crt`, whom to trust; both change now and then.
    """

    address: str
    name: str
    credentials: Path

    def renewing(self) -> Renewing:
        """Gets the coordinator's identity, and the next one in time; not started."""
        asking = PodIdentities(
            self.address,
            self.name,
            self.credentials / "token",
            lambda: contents(self.credentials / "ca.crt"),
            EnrolmentClient.issue_coordinator,
        )
        return Renewing(asking.obtain, asking.renew)


@contextmanager
def certified(hub: Hub, job_uid: str, termination: Termination, health: str | None) -> Iterator[Callable[[], Identity]]:
    """The identity as it is now, for as long as the block lasts; waits for a hub that is away.

    A hub that goes away later does not matter for as long as the certificate lasts.

    Args:
        hub: Who issues it.
        job_uid: Whose coordinator this is.
        termination: Interrupts the waiting.
        health: `host:port` where `/healthz` is answered meanwhile: who waits is well.

    Raises:
        FedjobsError: What the hub refuses; WRONG_CERTIFICATE: it took this for another job's coordinator.
        InterruptedBySignal: While it waited.
    """
    renewing = hub.renewing()
    waiting = MetricsServer(health, CollectorRegistry()) if health else None
    try:
        renewing.start()
        with termination.interrupting():
            identity = renewing.first()
        if identity.job_uid != job_uid:
            message = f"The hub issued a certificate for the job {identity.job_uid}; this is {job_uid}."
            raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, "Let the operator start coordinators.")
        _LOG.info("certified", expires=identity.expires.isoformat())
        if waiting is not None:
            waiting.close()
            waiting = None
        yield renewing.current
    finally:
        renewing.close()
        if waiting is not None:
            waiting.close()
