"""Identities for mutual TLS, and the names in certificates.

There are two issuers, one for clients (silos) and one for servers (coordinators). A silo trusts only the issuer of
coordinators, and a coordinator only the issuer of silos, so neither can impersonate the other. On one machine, both
issuers are created for the run (`RunAuthority`), and nothing outside the run trusts them. On a cluster, the hub uses
them.

A silo's name and its job are read from the certificate, never from a message. The operator is a client of coordinators
too, and reads their reports. Its certificate has another name, and gives it none of the rights of a silo.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import JobUid, SiloName

from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.certificates import CLOCK_SKEW, LIFETIME, Issuer, Purpose

_SILO_URI = re.compile(r"fedjobs:job:(?P<job>[0-9A-Za-z-]+):silo:(?P<silo>.+)")
_JOB_URI = re.compile(r"fedjobs:job:(?P<job>[0-9A-Za-z-]+)")
_AGENT_URI = re.compile(r"fedjobs:silo:(?P<silo>.+)")
OPERATOR_URI = "fedjobs:operator"
_CERTIFICATE, _KEY, _TRUST = "tls.crt", "tls.key", "ca.crt"
_RENEWED_AFTER = 2 / 3  # of the certificate's lifetime
_REMEDY = "Give the worker the certificate that was issued to this silo for this job."


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the trusted issuers of the other side. All are PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    trust: bytes

    def save(self, directory: Path) -> None:
        """Writes tls.crt, tls.key and ca.crt (the names in a Kubernetes TLS Secret), readable by the owner only."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in ((_CERTIFICATE, self.certificate), (_KEY, self.key), (_TRUST, self.trust)):
            write_atomically(directory / name, content)

    @staticmethod
    def load(directory: Path) -> Identity:
        """Reads the files that `save` wrote.

        Raises:
            FedjobsError: INVALID_CERTIFICATE if a file is missing or cannot be read.
        """
        return Identity(*(_read(directory / name) for name in (_CERTIFICATE, _KEY, _TRUST)))

    @property
    def expires(self) -> datetime.datetime:
        """When the certificate expires, in UTC."""
        return self._parsed.not_valid_after_utc

    @property
    def issued(self) -> datetime.datetime:
        """When the certificate was issued, in UTC, by the issuer's clock."""
        return self._parsed.not_valid_before_utc + CLOCK_SKEW

    @property
    def renewed_at(self) -> datetime.datetime:
        """When to renew the certificate, in UTC."""
        return self.issued + (self.expires - self.issued) * _RENEWED_AFTER

    @property
    def _parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def job_uid(self) -> JobUid:
        """The job that the certificate was issued for.

        Raises:
            FedjobsError: INVALID_CERTIFICATE if it names no job.
        """
        for uri in _uris(self.certificate):
            if match := _SILO_URI.fullmatch(uri) or _JOB_URI.fullmatch(uri):
                return JobUid(match["job"])
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The certificate names no job.", _REMEDY)


@dataclass(frozen=True)
class Peer:
    """The silo at the other end of a connection, read from its certificate."""

    job_uid: JobUid
    silo: SiloName


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """Returns the silo at the other end of a connection.

    Args:
        auth_context: The result of `grpc.ServicerContext.auth_context()`.

    Raises:
        FedjobsError: INVALID_CERTIFICATE if the certificate is not that of a silo.
    """
    names = _alternative_names(auth_context)
    matches = [match for name in names if (match := _SILO_URI.fullmatch(name))]
    if len(matches) != 1 or OPERATOR_URI in names:
        raise FedjobsError(
            ErrorCode.INVALID_CERTIFICATE,
            f"The certificate is not that of a silo: its names are {', '.join(names) or 'none'}.",
            _REMEDY,
        )
    return Peer(JobUid(matches[0]["job"]), SiloName(matches[0]["silo"]))


@dataclass(frozen=True)
class HubCaller:
    """The caller of the hub: a silo's agent, or a worker of the silo.

    Attributes:
        silo: The name of the silo.
        job_uid: The job of a worker's certificate. None for the agent.
        key: The fingerprint of the caller's key, see `fedjobs_protocol.identities.keys.fingerprint`.
    """

    silo: SiloName
    job_uid: JobUid | None
    key: str


def hub_caller_of(auth_context: Mapping[str, Iterable[bytes]]) -> HubCaller:
    """Returns the caller of the hub.

    Args:
        auth_context: The result of `grpc.ServicerContext.auth_context()`.

    Raises:
        FedjobsError: INVALID_CERTIFICATE if the caller is neither an agent nor a worker; CERTIFICATE_EXPIRED.
    """
    check_not_expired(auth_context)
    key = keys.fingerprint(keys.certified_key(_certificate(auth_context)))
    names = _alternative_names(auth_context)
    agents = [match["silo"] for name in names if (match := _AGENT_URI.fullmatch(name))]
    if len(agents) == 1 and not any(_SILO_URI.fullmatch(name) or name == OPERATOR_URI for name in names):
        return HubCaller(SiloName(agents[0]), None, key)
    peer = peer_of(auth_context)
    return HubCaller(peer.silo, peer.job_uid, key)


def check_not_expired(auth_context: Mapping[str, Iterable[bytes]], now: datetime.datetime | None = None) -> None:
    """Checks that a connection's certificate has not expired. TLS checks it only when the connection is made.

    Args:
        auth_context: The result of `grpc.ServicerContext.auth_context()`.
        now: The time in UTC. Defaults to the current time.

    Raises:
        FedjobsError: CERTIFICATE_EXPIRED.
    """
    ends = _ends(_certificate(auth_context))
    if ends is not None and (now or datetime.datetime.now(datetime.UTC)) > ends:
        raise FedjobsError(
            ErrorCode.CERTIFICATE_EXPIRED,
            f"The certificate expired at {ends.isoformat()}.",
            "Renew it at the hub. If it should still be valid, correct this machine's clock.",
        )


def agent_uri(silo: str) -> str:
    """Returns the URI of a silo's agent in its certificate."""
    return f"fedjobs:silo:{silo}"


def worker_uri(job_uid: str, silo: str) -> str:
    """Returns the URI of a silo's worker in its certificate for one job."""
    return f"fedjobs:job:{job_uid}:silo:{silo}"


def coordinator_uri(job_uid: str) -> str:
    """Returns the URI of a job's coordinator in its certificate."""
    return f"fedjobs:job:{job_uid}"


def enrolment_name(front_door: str) -> str:
    """Returns the DNS name of the hub's enrolment port, for clients without a certificate."""
    return f"enrol.{front_door}"


def check_operator(auth_context: Mapping[str, Iterable[bytes]]) -> None:
    """Checks that the operator is at the other end of a connection.

    Args:
        auth_context: The result of `grpc.ServicerContext.auth_context()`.

    Raises:
        FedjobsError: INVALID_CERTIFICATE if the certificate is not the operator's.
    """
    names = _alternative_names(auth_context)
    if OPERATOR_URI not in names or any(_SILO_URI.fullmatch(name) for name in names):
        raise FedjobsError(
            ErrorCode.INVALID_CERTIFICATE,
            f"The certificate is not the operator's: its names are {', '.join(names) or 'none'}.",
            "Read the status of the FederatedJob instead, which the operator writes.",
        )


def server_name(job_uid: str, front_door: str = "fedjobs.local") -> str:
    """Returns the DNS name in a coordinator's certificate. Silos send it as SNI, and the front door routes by it."""
    return f"j-{job_uid.replace('-', '')[:16]}.{front_door}"


@dataclass(frozen=True)
class RunAuthority:
    """Both issuers of a run on one machine."""

    silos: Issuer
    coordinators: Issuer

    @staticmethod
    def create() -> RunAuthority:
        return RunAuthority(
            silos=Issuer.create("fedjobs silos of this run", Purpose.CLIENT),
            coordinators=Issuer.create("fedjobs coordinators of this run", Purpose.SERVER),
        )

    def save(self, directory: Path) -> None:
        """Writes both issuers and their keys to a folder that only its owner can access."""
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        for name, issuer in (("silos", self.silos), ("coordinators", self.coordinators)):
            write_atomically(directory / f"{name}.crt", issuer.certificate)
            write_atomically(directory / f"{name}.key", issuer.key)

    @staticmethod
    def load(directory: Path) -> RunAuthority:
        """Reads the files that `save` wrote.

        Raises:
            FedjobsError: INVALID_CERTIFICATE if a file is missing or cannot be read.
        """
        silos, coordinators = (
            Issuer(_read(directory / f"{name}.crt"), _read(directory / f"{name}.key"), purpose)
            for name, purpose in (("silos", Purpose.CLIENT), ("coordinators", Purpose.SERVER))
        )
        return RunAuthority(silos, coordinators)

    def issue_coordinator(self, job_uid: str, name: str, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """Issues the identity of a job's coordinator. `name` is its DNS name, see `server_name`."""
        certificate, key = self.coordinators.issue(name, uri=coordinator_uri(job_uid), lifetime=lifetime)
        return Identity(certificate, key, trust=self.silos.certificate)

    def issue_silo(self, job_uid: str, silo: str, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """Issues the identity of a silo for one job."""
        certificate, key = self.silos.issue(silo, uri=worker_uri(job_uid, silo), lifetime=lifetime)
        return Identity(certificate, key, trust=self.coordinators.certificate)

    def issue_operator(self, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """Issues the identity with which the operator reads the reports of coordinators."""
        certificate, key = self.silos.issue("fedjobs-operator", uri=OPERATOR_URI, lifetime=lifetime)
        return Identity(certificate, key, trust=self.coordinators.certificate)


def _alternative_names(auth_context: Mapping[str, Iterable[bytes]]) -> list[str]:
    return [name.decode(errors="replace") for name in auth_context.get("x509_subject_alternative_name", ())]


def _certificate(auth_context: Mapping[str, Iterable[bytes]]) -> bytes:
    return next(iter(auth_context.get("x509_pem_cert", ())), b"")


@functools.lru_cache(maxsize=1024)
def _ends(certificate: bytes) -> datetime.datetime | None:
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_CERTIFICATE, f"{path} cannot be read: {error.strerror}.", "Issue the certificate again."
        ) from error


def _uris(certificate: bytes) -> list[str]:
    try:
        names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (ValueError, x509.ExtensionNotFound):
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)
