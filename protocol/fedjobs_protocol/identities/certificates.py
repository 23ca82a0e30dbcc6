"""Issues certificates for EC P-256 keys, with one purpose each."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
CLOCK_SKEW = datetime.timedelta(minutes=15)
"""A certificate is valid from this long before its issue, for machines whose clocks are slow."""
_LONGEST_COMMON_NAME = 64  # RFC 5280; peers check the alternative name, not the common name


class Purpose(enum.Enum):
    """The single purpose of an issuer's certificates."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Issuer:
    """A certificate authority whose certificates have one purpose. Certificate and key are PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    purpose: Purpose

    @staticmethod
    def create(name: str, purpose: Purpose) -> Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key.public_key(), purpose)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(issues=True), critical=True)
        return Issuer(_pem(builder.sign(key, hashes.SHA256())), _pem_key(key), purpose)

    def issue(self, dns_name: str, *, uri: str, lifetime: datetime.timedelta = LIFETIME) -> tuple[bytes, bytes]:
        """Returns a certificate and a new key, as PEM, for exactly these two names."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self.certify(key.public_key(), dns_name, uri=uri, lifetime=lifetime), _pem_key(key)

    def certify(
        self, key: ec.EllipticCurvePublicKey, dns_name: str, *, uri: str, lifetime: datetime.timedelta = LIFETIME
    ) -> bytes:
        """Returns a certificate, as PEM, for a peer's public key and exactly these two names."""
        issuer = x509.load_pem_x509_certificate(self.certificate)
        issuer_key = serialization.load_pem_private_key(self.key, password=None)
        if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
            raise TypeError("the issuer's key is not an EC key")
        builder = _builder(_name(dns_name), issuer.subject, key, self.purpose, lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(issues=False), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        names = x509.SubjectAlternativeName([x509.DNSName(dns_name), x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
        return _pem(builder.sign(issuer_key, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    purpose: Purpose,
    lifetime: datetime.timedelta = LIFETIME,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.ExtendedKeyUsage([purpose.value]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        key_cert_sign=issues,
        crl_sign=issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_LONGEST_COMMON_NAME])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
