"""Corrupt certificate requests and certificates from strangers are refused."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_hub.certificates.issuance import silo_of
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.certificates import Issuer, Purpose
from fedjobs_protocol.identities.identities import agent_uri

REQUEST = keys.signing_request(keys.create())
CERTIFICATE, _ = Issuer.create("fedjobs silos", Purpose.CLIENT).issue("hospital-a", uri=agent_uri("hospital-a"))
SHAPE = b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n"


def corrupted(document: bytes) -> Iterator[bytes]:
    """Yields corrupt documents: each byte in turn is changed in two ways, and the document is truncated before it."""
    for at, byte in enumerate(document):
        yield document[:at]
        for other in (byte ^ 1, byte ^ 0x82):
            yield document[:at] + bytes([other]) + document[at + 1 :]


def codes(read: Callable[[bytes], object], documents: Iterator[bytes]) -> set[ErrorCode]:
    """Returns the codes of the refused documents. Documents that can be read are ignored."""
    found = set()
    for document in documents:
        try:
            read(document)
        except FedjobsError as error:
            found.add(error.code)
    return found


def test_a_corrupt_request_is_refused() -> None:
    assert codes(keys.requested_key, corrupted(REQUEST)) == {ErrorCode.INVALID_CERTIFICATE_REQUEST}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("read", [keys.certified_key, silo_of])
def test_a_corrupt_certificate_is_refused(read: Callable[[bytes], object]) -> None:
    plain = x509.load_pem_x509_certificate(CERTIFICATE).public_bytes(serialization.Encoding.DER)
    documents = (SHAPE % base64.encodebytes(each) for each in corrupted(plain))
    assert codes(read, documents) == {ErrorCode.INVALID_CERTIFICATE}


def test_a_request_of_another_version_is_refused() -> None:
    version = REQUEST.index(b"\x02\x01\x00")
    with pytest.raises(FedjobsError, match="cannot be read") as refused:
        keys.requested_key(REQUEST[: version + 2] + b"\x07" + REQUEST[version + 3 :])
    assert refused.value.code is ErrorCode.INVALID_CERTIFICATE_REQUEST


def test_a_request_with_the_key_of_another_is_refused() -> None:
    """The signature must match the key for which the certificate is requested."""
    other = keys.signing_request(keys.create())
    half = len(REQUEST) - 80
    with pytest.raises(FedjobsError) as refused:
        keys.requested_key(REQUEST[:half] + other[half:])
    assert refused.value.code is ErrorCode.INVALID_CERTIFICATE_REQUEST
