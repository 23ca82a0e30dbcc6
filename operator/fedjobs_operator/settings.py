"""The operator's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedjobs_protocol.identities.identities import enrolment_name, server_name


@dataclass(frozen=True)
class CoordinatorImage:
    """The image of the coordinators."""

    name: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True)
class FrontDoor:
    """The front door: the single address of the federation that silos connect to.

    Attributes:
        host: The name of the front door. It routes by this name and its subdomains.
        address: `host:port` that silos connect to.
    """

    host: str
    address: str

    def server_name(self, job_uid: str) -> str:
        """Returns the name of a job's coordinator in its certificate, by which the front door routes."""
        return server_name(job_uid, self.host)


@dataclass(frozen=True)
class Hub:
    """The hub, which issues certificates.

    Attributes:
        address: `host:port` of the enrolment port inside the cluster, for clients without a certificate.
        name: The name in the certificate of the enrolment port.
    """

    address: str
    name: str

    @staticmethod
    def of(front_door: FrontDoor, address: str) -> Hub:
        return Hub(address, enrolment_name(front_door.host))


@dataclass(frozen=True)
class Settings:
    """The settings of an operator.

    Attributes:
        own_namespace: The namespace of operator, hub and front door.
        authority_namespace: The namespace of the Secret with the federation's keys.
        image: The image of the coordinators.
        front_door: The front door of the federation.
        hub: The hub of the federation.
        namespaces: The namespaces to watch for jobs. If empty, all namespaces.
        cluster_domain: The cluster's DNS domain.
        token: File with the pod's service account token. The operator authenticates to the hub with it.
    """

    own_namespace: str
    authority_namespace: str
    image: CoordinatorImage
    front_door: FrontDoor
    hub: Hub
    namespaces: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    token: Path = Path("/hub/token")

    @property
    def own_namespaces(self) -> tuple[str, str]:
        """The namespaces in which no job runs: they hold Secrets of the federation."""
        return (self.own_namespace, self.authority_namespace)
