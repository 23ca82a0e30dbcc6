"""Private keys that never leave who made them, and what is shown of them: requests and fingerprints."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fedjobs_common.errors import ErrorCode, FedjobsError

LONGEST_REQUEST = 4096
"""Bytes of a certificate signing request; one of ours has about 200."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What is raised while a stranger's certificate or request is read; not all of them are ValueErrors."""


def create() -> bytes:
    """A new key, EC P-256, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key: bytes) -> bytes:
    """A certificate signing request (PKCS#10, DER) for a key (PEM). It asks for no name: the hub gives one.

    Raises:
        FedjobsError: WRONG_CERTIFICATE: This is no such key.
    """
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, f"The key cannot be read: {error}.") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, "The key is not an EC key.", "Let it be made anew.")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(loaded, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate signing request, whose sender has shown to have the private one.

    Args:
        request: PKCS#10, DER.

    Raises:
        FedjobsError: CSR_REFUSED.
    """
    if len(request) > LONGEST_REQUEST:
        raise _refused(f"it has {len(request)} bytes; at most {LONGEST_REQUEST} are taken")
    try:
        parsed = x509.load_der_x509_csr(request)
        key = parsed.public_key()
        valid = parsed.is_signature_valid
    except (*UNREADABLE, InvalidSignature) as error:
        raise _refused("it cannot be read") from error
    if not valid:
        raise _refused("it is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refused("its key is not EC P-256")
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """What a public key is known by: SHA-256 of its SubjectPublicKeyInfo (as RFC 7469 pins keys), hexadecimal."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def certified_key(certificate: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate (PEM, the first one of several).

    Raises:
        FedjobsError: WRONG_CERTIFICATE.
    """
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except UNREADABLE as error:
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, "The certificate cannot be read.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, "The certificate's key is not an EC key.")
    return key


def _refused(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.CSR_REFUSED,
        f"The certificate signing request was refused: {why}.",
        "Install the same release of fedjobs on both sides.",
    )
