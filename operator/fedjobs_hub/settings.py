"""The settings of the hub."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetimes:
    """The lifetimes of certificates and tokens.

    Attributes:
        certificate: The lifetime of the certificates of agents, coordinators, the operator and the hub.
        worker: The lifetime of a worker's certificate.
        token: The lifetime of the token in a silo's invitation.
        grace: How long an agent can renew its certificate after it has expired.
    """

    certificate: datetime.timedelta = datetime.timedelta(days=1)
    worker: datetime.timedelta = datetime.timedelta(hours=1)
    token: datetime.timedelta = datetime.timedelta(days=7)
    grace: datetime.timedelta = datetime.timedelta(days=30)

    @property
    def overlap(self) -> datetime.timedelta:
        """How long a new generation of issuers is trusted before it issues certificates.

        This is long enough that even a silo that was away for the whole grace period has received the new trust.
        """
        return self.certificate + self.grace

    @property
    def longest(self) -> datetime.timedelta:
        """The longest lifetime of a certificate."""
        return max(self.certificate, self.worker)


@dataclass(frozen=True)
class Settings:
    """The settings that all hubs of a federation share.

    Attributes:
        own_namespace: The namespace of the hub's objects.
        authority_namespace: The namespace of the Secret with the issuers' keys. Whoever may invite silos reads Secrets
            in `own_namespace`, so the keys are elsewhere.
        front_door: The host name of the federation's front door.
        address: The `host:port` of the front door that silos connect to.
        operator_account: The operator's ServiceAccount in the same namespace.
        namespaces: The namespaces of jobs. Empty for all namespaces.
        lifetimes: The lifetimes of certificates and tokens.
        silo_chart: The silo chart in the `helm install` command of an invitation.
    """

    own_namespace: str
    front_door: str
    address: str
    operator_account: str
    authority_namespace: str
    namespaces: tuple[str, ...] = ()
    lifetimes: Lifetimes = Lifetimes()
    silo_chart: str = "helm/fedjobs-silo"
