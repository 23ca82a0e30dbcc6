"""Certificates for who has proved who he is: each kind with the names that it must have, whatever was asked for."""

from __future__ import annotations

import datetime
import threading

from cryptography.hazmat.primitives.asymmetric import ec
from fedjobs_operator.times import Clock
from fedjobs_protocol.identities import identities, keys
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.v1 import hub_pb2 as pb

from fedjobs_hub.certificates.authorities import Authority
from fedjobs_hub.settings import Settings

_HUB_URI = "fedjobs:hub"
PublicKey = ec.EllipticCurvePublicKey


class Issuing:
    """Issues with the authority as it is now. May be used from several threads.

    Args:
        settings: Of the federation.
        authority: As it is when the hub starts.
        clock: The time.

    Attributes:
        authority: As it is now; whoever looks after it sets it.
    """

    def __init__(self, settings: Settings, authority: Authority, clock: Clock) -> None:
        self.authority = authority
        self._settings = settings
        self._lifetimes = settings.lifetimes
        self._clock = clock

    def agent(self, key: PublicKey, silo: str) -> pb.Issued:
        """For a silo's agent."""
        return self._client(key, silo, identities.agent_uri(silo), self._lifetimes.certificate)

    def worker(self, key: PublicKey, job_uid: str, silo: str) -> pb.Issued:
        """For a silo's worker, and one job."""
        return self._client(key, silo, identities.worker_uri(job_uid, silo), self._lifetimes.worker)

    def operator(self, key: PublicKey) -> pb.Issued:
        """For the operator."""
        return self._client(key, "fedjobs-operator", identities.OPERATOR_URI, self._lifetimes.certificate)

    def coordinator(self, key: PublicKey, job_uid: str) -> pb.Issued:
        """For a job's coordinator."""
        authority = self.authority
        certificate = authority.issuing(self._clock()).servers.certify(
            key,
            identities.server_name(job_uid, self._settings.front_door),
            uri=identities.coordinator_uri(job_uid),
            lifetime=self._lifetimes.certificate,
        )
        return pb.Issued(certificate=certificate, trust=authority.silos_trust())

    def hub(self, name: str) -> Identity:
        """For the hub itself, with a key of its own, under one of the front door's names."""
        authority, key = self.authority, keys.create()
        public = keys.requested_key(keys.signing_request(key))
        issuer = authority.issuing(self._clock()).servers
        certificate = issuer.certify(public, name, uri=_HUB_URI, lifetime=self._lifetimes.certificate)
        return Identity(certificate, key, authority.silos_trust())

    def _client(self, key: PublicKey, name: str, uri: str, lifetime: datetime.timedelta) -> pb.Issued:
        authority = self.authority
        issuer = authority.issuing(self._clock()).silos
        certificate = issuer.certify(key, name, uri=uri, lifetime=lifetime)
        return pb.Issued(certificate=certificate, trust=authority.servers_trust())


class ServerIdentity:
    """The hub's certificate under one name, asked for at each handshake: always one that is good now.

    Args:
        issuing: Issues it.
        name: Its name.
        clock: The time.
    """

    def __init__(self, issuing: Issuing, name: str, clock: Clock) -> None:
        self._issuing = issuing
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._authority: Authority | None = None
        self._issues_from: datetime.datetime | None = None
        self._identity: Identity | None = None

    def __call__(self) -> Identity:
        """Called in threads of gRPC's own."""
        with self._lock:
            authority, now = self._issuing.authority, self._clock()
            issues_from = authority.issuing(now).issues_from
            current = self._identity
            if (
                current is None
                or (authority, issues_from) != (self._authority, self._issues_from)
                or current.renewed_at < now
            ):
                current = self._identity = self._issuing.hub(self._name)
                self._authority, self._issues_from = authority, issues_from
            return current
