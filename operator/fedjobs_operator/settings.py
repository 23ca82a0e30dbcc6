"""What the operator is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedjobs_protocol.identities.identities import enrolment_name, server_name


@dataclass(frozen=True)
class CoordinatorImage:
    """Which image coordinators run."""

    name: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True)
class FrontDoor:
    """The one place of the federation that silos know.

    Attributes:
        host: Its name, by which it routes.
        address: `host:port` that silos dial.
    """

    host: str
    address: str

    def server_name(self, job_uid: str) -> str:
        """The name of a job's coordinator, in its certificate and for the front door."""
        return server_name(job_uid, self.host)


@dataclass(frozen=True)
class Hub:
    """Who issues certificates.

    Attributes:
        address: `host:port` inside the cluster, of the port for who has no certificate yet.
        name: In its certificate there.
    """

    address: str
    name: str

    @staticmethod
    def of(front_door: FrontDoor, address: str) -> Hub:
        return Hub(address, enrolment_name(front_door.host))


@dataclass(frozen=True)
class Settings:
    """How this operator was started.

    Attributes:
        own_namespace: Where hub, front door and operator are.
        image: Of coordinators.
        front_door: Of the federation.
        hub: Of the federation.
        namespaces: Of jobs; none: all.
        cluster_domain: The end of all names of Services.
        token: File with the pod's token, by which the hub knows the operator.
    """

    own_namespace: str
    image: CoordinatorImage
    front_door: FrontDoor
    hub: Hub
    namespaces: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    token: Path = Path("/hub/token")
