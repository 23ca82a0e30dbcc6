"""Gets the coordinator's certificate on a cluster from the hub. The key exists only in the memory of this process."""

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
    """The hub, and the credentials for it.

    Attributes:
        address: `host:port` of the hub's enrolment port.
        name: The name in the hub's certificate on that port.
        credentials: Folder with the pod's `token`, and `ca.crt` with the hub's issuers. Kubernetes updates both.
    """

    address: str
    name: str
    credentials: Path

    def renewing(self) -> Renewing:
        """Returns an object that obtains and renews the coordinator's identity. It is not started."""
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
    """Provides the current identity in a context. It waits until the hub is available.

    Later outages of the hub do not matter until the certificate expires.

    Args:
        hub: The hub that issues the certificate.
        job_uid: The UID of the coordinator's job.
        termination: Interrupts the wait.
        health: `host:port` that serves `/healthz` during the wait, because a waiting coordinator is healthy.

    Raises:
        FedjobsError: The hub rejected the request. INVALID_CERTIFICATE if the certificate is for another job.
        InterruptedBySignal: SIGTERM arrived during the wait.
    """
    renewing = hub.renewing()
    waiting = MetricsServer(health, CollectorRegistry()) if health else None
    try:
        renewing.start()
        with termination.interrupting():
            identity = renewing.first()
        if identity.job_uid != job_uid:
            message = f"The hub issued a certificate for the job {identity.job_uid}, but this is the job {job_uid}."
            remedy = "Do not start coordinators yourself. The operator starts them."
            raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, remedy)
        _LOG.info("certified", expires=identity.expires.isoformat())
        if waiting is not None:
            waiting.close()
            waiting = None
        yield renewing.current
    finally:
        renewing.close()
        if waiting is not None:
            waiting.close()
