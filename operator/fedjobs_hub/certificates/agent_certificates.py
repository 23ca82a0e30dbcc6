"""What an agent's certificate says, where TLS has not looked at it: nothing in it is proved."""

from __future__ import annotations

from cryptography import x509
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.identities.identities import agent_uri
from fedjobs_protocol.identities.keys import UNREADABLE

_PREFIX = agent_uri("")


def silo_of(certificate: bytes) -> str:
    """The silo that a certificate (PEM) names.

    Raises:
        FedjobsError: WRONG_CERTIFICATE.
    """
    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, "The certificate cannot be read.") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not uris[0].startswith(_PREFIX):
        message = "The certificate is none of a silo's agent."
        raise FedjobsError(ErrorCode.WRONG_CERTIFICATE, message, "Only agents renew what has expired.")
    return uris[0].removeprefix(_PREFIX)
