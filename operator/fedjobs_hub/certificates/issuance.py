"""Issues certificates to authenticated callers. The kind of certificate determines its names, not the request."""

from __future__ import annotations

import datetime
import threading

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fedjobs_api.times import Clock
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities import identities, keys
from fedjobs_protocol.identities.identities import Identity, agent_uri
from fedjobs_protocol.identities.keys import UNREADABLE
from fedjobs_protocol.v1 import hub_pb2 as pb

from fedjobs_hub.certificates.authorities import Authority
from fedjobs_hub.settings import Settings

_HUB_URI = "fedjobs:hub"
PublicKey = ec.EllipticCurvePublicKey


class Issuance:
    """Issues certificates with the current authority. Thread-safe.

    Args:
        settings: The settings of the federation.
        authority: The authority when the hub starts.
        clock: Returns the time.

    Attributes:
        authority: The current authority. The controller updates it.
    """

    def __init__(self, settings: Settings, authority: Authority, clock: Clock) -> None:
        self.authority = authority
        self._settings = settings
        self._lifetimes = settings.lifetimes
        self._clock = clock

    def agent(self, key: PublicKey, silo: str) -> pb.Issued:
        """Issues a certificate for a silo's agent."""
        return self._client(key, silo, identities.agent_uri(silo), self._lifetimes.certificate)

    def worker(self, key: PublicKey, job_uid: str, silo: str) -> pb.Issued:
        """Issues a certificate for a silo's worker and one job."""
        return self._client(key, silo, identities.worker_uri(job_uid, silo), self._lifetimes.worker)

    def operator(self, key: PublicKey) -> pb.Issued:
        """Issues a certificate for the operator."""
        return self._client(key, "fedjobs-operator", identities.OPERATOR_URI, self._lifetimes.certificate)

    def coordinator(self, key: PublicKey, job_uid: str) -> pb.Issued:
        """Issues a certificate for a job's coordinator."""
        authority = self.authority
        certificate = authority.issuing(self._clock()).servers.certify(
            key,
            identities.server_name(job_uid, self._settings.front_door),
            uri=identities.coordinator_uri(job_uid),
            lifetime=self._lifetimes.certificate,
        )
        return pb.Issued(certificate=certificate, trust=authority.silos_trust())

    def hub(self, name: str) -> Identity:
        """Issues a certificate with a new key for the hub itself, under one of the front door's names."""
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
    """Provides the hub's certificate under one name at each handshake, and renews it when necessary.

    Args:
        issuing: Issues the certificate.
        name: The name in the certificate.
        clock: Returns the time.
    """

    def __init__(self, issuing: Issuance, name: str, clock: Clock) -> None:
        self._issuance = issuing
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._authority: Authority | None = None
        self._issues_from: datetime.datetime | None = None
        self._identity: Identity | None = None

    def __call__(self) -> Identity:
        """Returns the current identity. gRPC calls this in its own threads."""
        with self._lock:
            authority, now = self._issuance.authority, self._clock()
            issues_from = authority.issuing(now).issues_from
            current = self._identity
            if (
                current is None
                or (authority, issues_from) != (self._authority, self._issues_from)
                or current.renewed_at < now
            ):
                current = self._identity = self._issuance.hub(self._name)
                self._authority, self._issues_from = authority, issues_from
            return current


_PREFIX = agent_uri("")


def silo_of(certificate: bytes) -> str:
    """Returns the name of the silo in a certificate (PEM).

    Raises:
        FedjobsError: INVALID_CERTIFICATE.
    """
    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The certificate cannot be read.") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not uris[0].startswith(_PREFIX):
        message = "The certificate does not belong to a silo's agent."
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, message, "Only agents can renew expired certificates.")
    return uris[0].removeprefix(_PREFIX)
