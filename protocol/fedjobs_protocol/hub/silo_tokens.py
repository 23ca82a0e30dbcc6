"""The token in a silo's invitation: one line of text with everything that a silo needs to enrol.

The token contains the certificates of the federation's issuers, so the silo can verify the hub on the first connection,
and nobody can impersonate the hub. The secret in the token is bound to the first key that uses it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from pydantic import Field, ValidationError

_PREFIX = "fedjobs1."
_LONGEST = 16 * 1024
_REMEDY = "Copy the whole line of the invitation, or ask the federation for a new one."


class SiloToken(Model):
    """The content of an invitation token."""

    silo: str
    """Name of the silo."""
    address: str
    """`host:port` of the front door."""
    front_door: str
    """The front door's name, which is also the name in the hub's certificate."""
    trust: str
    """The issuers of the hub's and the coordinators' certificates, as PEM."""
    secret: str = Field(repr=False)
    """A secret of 256 random bits. The hub stores only its hash."""
    expires: str
    """When the token expires, as RFC 3339, for people. The hub decides by its own clock and record."""

    def encoded(self) -> str:
        """Returns the token as one line of text."""
        document = self.model_dump_json(by_alias=True).encode()
        return _PREFIX + base64.urlsafe_b64encode(zlib.compress(document, 9)).decode().rstrip("=")


def decoded(text: str) -> SiloToken:
    """Decodes the text from `SiloToken.encoded`. It ignores white space.

    Raises:
        FedjobsError: INVALID_TOKEN. The message contains no part of the token.
    """
    line = "".join(text.split())
    if not line.startswith(_PREFIX) or len(line) > _LONGEST:
        raise FedjobsError(ErrorCode.INVALID_TOKEN, "This is not a silo's invitation token.", _REMEDY)
    packed = line.removeprefix(_PREFIX)
    try:
        reader = zlib.decompressobj()
        document = reader.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), 4 * _LONGEST)
        if not reader.eof or reader.unused_data:  # without its checksum a cut token could look complete
            raise ValueError("the token is cut, or something follows it")
        return SiloToken.model_validate(json.loads(document))
    except (binascii.Error, zlib.error, ValueError, ValidationError):
        raise FedjobsError(ErrorCode.INVALID_TOKEN, "The token is damaged.", _REMEDY) from None


def new_secret() -> str:
    """Returns 256 random bits as text."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """Returns the SHA-256 of a secret in hex. It needs no salt, because a secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, written: str) -> bool:
    """Returns whether a secret has this hash, in constant time."""
    return hmac.compare_digest(hashed(secret).encode(), written.encode())
