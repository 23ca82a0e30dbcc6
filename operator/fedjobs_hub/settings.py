"""What the hub is told when it starts."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetimes:
    """How long what the hub gives out is good for.

    Attributes:
        certificate: Of agents, coordinators, the operator and the hub itself.
        worker: Of a worker's certificate.
        token: Of a silo's invitation.
        grace: After an agent's certificate has expired, for as long its key still counts.
    """

    certificate: datetime.timedelta = datetime.timedelta(days=1)
    worker: datetime.timedelta = datetime.timedelta(hours=1)
    token: datetime.timedelta = datetime.timedelta(days=7)
    grace: datetime.timedelta = datetime.timedelta(days=30)

    @property
    def overlap(self) -> datetime.timedelta:
        """How long a new generation of issuers is trusted before it issues.

        A silo that was away for the whole time of grace has then learnt of it with the renewal before or after.
        """
        return self.certificate + self.grace

    @property
    def longest(self) -> datetime.timedelta:
        """The longest life of a certificate."""
        return max(self.certificate, self.worker)


@dataclass(frozen=True)
class Settings:
    """What one hub has in common with all others of its federation.

    Attributes:
        own_namespace: Where it keeps what is its own.
        front_door: The name of the federation's front door.
        address: `host:port` of the front door, as silos dial it.
        operator_account: The operator's ServiceAccount in the same namespace.
        namespaces: Of the jobs; empty: all.
        lifetimes: Of what it gives out.
        silo_chart: What `helm install` takes for a silo's chart.
    """

    own_namespace: str
    front_door: str
    address: str
    operator_account: str
    namespaces: tuple[str, ...] = ()
    lifetimes: Lifetimes = Lifetimes()
    silo_chart: str = "helm/fedjobs-silo"
