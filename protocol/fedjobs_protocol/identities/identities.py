"""Who a silo and a coordinator are to each other: certificates of mutual TLS.

There are two issuers, one for silos and one for coordinators: a silo trusts the coordinators' issuer alone and a
coordinator the silos' alone, so neither can pass itself off as the other. On one machine both are made for the run
(`RunAuthority`); nothing outside the run trusts them. On a cluster the operator keeps them.

The name of a silo and the job that it works for are those of its certificate, never of a message. The operator calls
coordinators too, to hear how their jobs are: it is a client like a silo, with a name of its own, and may do nothing
that a silo may.
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
_RENEWED_AFTER = 2 / 3  # of its lifetime
_REMEDY = "Give the worker the certificate that was issued to this silo for this job."


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the issuer whose certificates are trusted in return; all PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    trust: bytes

    def save(self, directory: Path) -> None:
        """Writes tls.crt, tls.key and ca.crt (the names of a Kubernetes TLS secret), readable by the owner alone."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in ((_CERTIFICATE, self.certificate), (_KEY, self.key), (_TRUST, self.trust)):
            write_atomically(directory / name, content)

    @staticmethod
    def load(directory: Path) -> Identity:
        """Reads what `save` wrote.

        Raises:
            FedjobsError: WRONG_CERTIFICATE when a file is missing or cannot be read.
        """
        return Identity(*(_read(directory / name) for name in (_CERTIFICATE, _KEY, _TRUST)))

    @property
    def expires(self) -> datetime.datetime:
        """When it ends, UTC."""
        return self._parsed.not_valid_after_utc

    @property
    def issued(self) -> datetime.datetime:
        """When it was issued, UTC, by the issuer's clock."""
        return self._parsed.not_valid_before_utc + CLOCK_SKEW

    @property
    def renewed_at(self) -> datetime.datetime:
        """When to ask for the next one, UTC."""
        return self.issued + (self.expires - self.issued) * _RENEWED_AFTER

    @property
    def _parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def job_uid(self) -> JobUid:
        """The job that the certificate was issued for.

        Raises:
            FedjobsError: WRONG_CERTIFICATE when it names none.
        """
        for uri in _uris(self.certificate):
            if match := _SILO_URI.fullmatch(uri) or _JOB_URI.fullmatch(uri):
                return JobUid(match["job"])
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, "The certificate names no job.", _REMEDY)


@dataclass(frozen=True)
class Peer:
    """The silo at the other end of a connection, as its certificate says."""

    job_uid: JobUid
    silo: SiloName


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """The silo of a connection.

    Args:
        auth_context: What `grpc.ServicerContext.auth_context()` returns.

    Raises:
        FedjobsError: WRONG_CERTIFICATE when the certificate is none of a silo; the operator's is none.
    """
    names = _alternative_names(auth_context)
    matches = [match for name in names if (match := _SILO_URI.fullmatch(name))]
    if len(matches) != 1 or OPERATOR_URI in names:
        raise FedjobsError(
            ErrorCode.WRONG_CERTIFICATE,
            f"The certificate is not one of a silo: its names are {', '.join(names) or 'none'}.",
            _REMEDY,
        )
    return Peer(JobUid(matches[0]["job"]), SiloName(matches[0]["silo"]))


@dataclass(frozen=True)
class HubCaller:
    """A silo's agent at the other end of a connection to the hub, or, where there is a job, a worker of the silo.

    Attributes:
        silo: Its name.
        job_uid: The job that the worker's certificate is for; None: it is the agent.
        key: Fingerprint of its key, see `fedjobs_protocol.identities.keys.fingerprint`.
    """

    silo: SiloName
    job_uid: JobUid | None
    key: str


def hub_caller_of(auth_context: Mapping[str, Iterable[bytes]]) -> HubCaller:
    """Who calls the hub.

    Args:
        auth_context: What `grpc.ServicerContext.auth_context()` returns.

    Raises:
        FedjobsError: WRONG_CERTIFICATE when it is neither an agent nor a worker, CERTIFICATE_EXPIRED.
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
    """TLS looks at a certificate once, when the connection is made; this looks whether it still counts.

    Args:
        auth_context: What `grpc.ServicerContext.auth_context()` returns.
        now: UTC; None: the time now.

    Raises:
        FedjobsError: CERTIFICATE_EXPIRED.
    """
    ends = _ends(_certificate(auth_context))
    if ends is not None and (now or datetime.datetime.now(datetime.UTC)) > ends:
        raise FedjobsError(
            ErrorCode.CERTIFICATE_EXPIRED,
            f"The certificate ended at {ends.isoformat()}.",
            "Ask the hub for the next one; if it is not due, set this machine's clock.",
        )


def agent_uri(silo: str) -> str:
    """The name of a silo's agent in its certificate."""
    return f"fedjobs:silo:{silo}"


def worker_uri(job_uid: str, silo: str) -> str:
    """The name of a silo's worker in its certificate for one job."""
    return f"fedjobs:job:{job_uid}:silo:{silo}"


def coordinator_uri(job_uid: str) -> str:
    """The name of a job's coordinator in its certificate."""
    return f"fedjobs:job:{job_uid}"


def enrolment_name(front_door: str) -> str:
    """The name by which a front door routes who has no certificate yet; the hub's certificate has both names."""
    return f"enrol.{front_door}"


def check_operator(auth_context: Mapping[str, Iterable[bytes]]) -> None:
    """Makes sure that the operator is at the other end of a connection, and not a silo.

    Args:
        auth_context: What `grpc.ServicerContext.auth_context()` returns.

    Raises:
        FedjobsError: WRONG_CERTIFICATE when the certificate is another's.
    """
    names = _alternative_names(auth_context)
    if OPERATOR_URI not in names or any(_SILO_URI.fullmatch(name) for name in names):
        raise FedjobsError(
            ErrorCode.WRONG_CERTIFICATE,
            f"The certificate is not the operator's: its names are {', '.join(names) or 'none'}.",
            "Ask the operator, which tells how a job is in the FederatedJob's status.",
        )


def server_name(job_uid: str, front_door: str = "fedjobs.local") -> str:
    """The name in a coordinator's certificate, and in the first packet of a silo, by which a front door routes."""
    return f"j-{job_uid.replace('-', '')[:16]}.{front_door}"


@dataclass(frozen=True)
class RunAuthority:
    """Both issuers: of one run on one machine, or of a cluster."""

    silos: Issuer
    coordinators: Issuer

    @staticmethod
    def create() -> RunAuthority:
        return RunAuthority(
            silos=Issuer.create("fedjobs silos of this run", Purpose.CLIENT),
            coordinators=Issuer.create("fedjobs coordinators of this run", Purpose.SERVER),
        )

    def save(self, directory: Path) -> None:
        """Writes both issuers and their keys into a folder that only its owner can enter."""
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        for name, issuer in (("silos", self.silos), ("coordinators", self.coordinators)):
            write_atomically(directory / f"{name}.crt", issuer.certificate)
            write_atomically(directory / f"{name}.key", issuer.key)

    @staticmethod
    def load(directory: Path) -> RunAuthority:
        """Reads what `save` wrote.

        Raises:
            FedjobsError: WRONG_CERTIFICATE when a file is missing or cannot be read.
        """
        silos, coordinators = (
            Issuer(_read(directory / f"{name}.crt"), _read(directory / f"{name}.key"), purpose)
            for name, purpose in (("silos", Purpose.CLIENT), ("coordinators", Purpose.SERVER))
        )
        return RunAuthority(silos, coordinators)

    def issue_coordinator(self, job_uid: str, name: str, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """The identity of a job's coordinator; `name` is what its silos dial, see `server_name`."""
        certificate, key = self.coordinators.issue(name, uri=coordinator_uri(job_uid), lifetime=lifetime)
        return Identity(certificate, key, trust=self.silos.certificate)

    def issue_silo(self, job_uid: str, silo: str, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """The identity of one silo for one job."""
        certificate, key = self.silos.issue(silo, uri=worker_uri(job_uid, silo), lifetime=lifetime)
        return Identity(certificate, key, trust=self.coordinators.certificate)

    def issue_operator(self, lifetime: datetime.timedelta = LIFETIME) -> Identity:
        """The identity with which the operator reads the reports of all coordinators."""
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
            ErrorCode.WRONG_CERTIFICATE, f"{path} cannot be read: {error.strerror}.", "Issue the certificate again."
        ) from error


def _uris(certificate: bytes) -> list[str]:
    try:
        names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (ValueError, x509.ExtensionNotFound):
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)
