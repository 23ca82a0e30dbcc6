"""Private keys, which never leave their process or machine, and their signing requests and fingerprints."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fedjobs_common.errors import ErrorCode, FedjobsError

LONGEST_REQUEST = 4096
"""The maximum size of a certificate signing request in bytes. A request from `signing_request` has about 200."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""The errors that parsing an untrusted certificate or request can raise. Not all of them are ValueErrors."""


def create() -> bytes:
    """Returns a new EC P-256 key, as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key: bytes) -> bytes:
    """Returns a certificate signing request (PKCS#10, DER) for a key (PEM). It has no name: the hub assigns one.

    Raises:
        FedjobsError: INVALID_CERTIFICATE if this is not an EC key.
    """
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, f"The key cannot be read: {error}.") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The key is not an EC key.", "Create a new key.")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(loaded, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """Returns the public key of a certificate signing request. The signature proves possession of the private key.

    Args:
        request: The request (PKCS#10, DER).

    Raises:
        FedjobsError: INVALID_CERTIFICATE_REQUEST.
    """
    if len(request) > LONGEST_REQUEST:
        raise _refused(f"it has {len(request)} bytes, and the maximum is {LONGEST_REQUEST}")
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
    """Returns the fingerprint of a public key: SHA-256 of its SubjectPublicKeyInfo (as in RFC 7469), in hex."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def certified_key(certificate: bytes) -> ec.EllipticCurvePublicKey:
    """Returns the public key of a certificate (PEM). If there are several certificates, it reads the first one.

    Raises:
        FedjobsError: INVALID_CERTIFICATE.
    """
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except UNREADABLE as error:
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The certificate cannot be read.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise FedjobsError(ErrorCode.INVALID_CERTIFICATE, "The certificate's key is not an EC key.")
    return key


def _refused(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.INVALID_CERTIFICATE_REQUEST,
        f"The certificate signing request was rejected: {why}.",
        "Install the same release of fedjobs on both sides.",
    )
