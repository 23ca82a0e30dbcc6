"""The certificates of one test cluster. CN is the user, and O is the user's groups."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.files import write

LIFETIME = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> None:
        """Writes NAME.crt and NAME.key."""
        write(folder / f"{name}.crt", self.certificate)
        write(folder / f"{name}.key", self.key)


@dataclass(frozen=True)
class Authority:
    """The certificate authority of one cluster."""

    identity: Identity

    @classmethod
    def new(cls, name: str) -> Authority:
        """Creates a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates, CRLs
        certificate = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(Identity(certificate.public_bytes(Encoding.PEM), _pem(key)))

    @classmethod
    def read(cls, folder: Path) -> Authority:
        """Reads the authority from ca.crt and ca.key."""
        return cls(Identity((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes()))

    def write(self, folder: Path) -> None:
        """Writes ca.crt and ca.key."""
        self.identity.write(folder, "ca")

    def issue(self, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> Identity:
        """Issues a client certificate. If there are hosts (names or addresses), it is a server certificate, too."""
        ca_key = load_pem_private_key(self.identity.key, None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        ca = x509.load_pem_x509_certificate(self.identity.certificate)
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = (
            _builder(subject, ca.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        return Identity(builder.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM), _pem(key))


def write_token_keys(folder: Path) -> None:
    """Writes the key pair that signs service accounts' tokens, as tokens.key and tokens.pub."""
    key = ec.generate_private_key(ec.SECP256R1())
    write(folder / "tokens.key", _pem(key))
    write(folder / "tokens.pub", key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(IPv4Address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
