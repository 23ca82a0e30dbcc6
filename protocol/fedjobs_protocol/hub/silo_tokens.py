"""The token of a silo's invitation: one line of text, all that a silo has to be told to enrol.

It carries the certificate of the federation's authority, so that the first contact is already trusted: nobody between
silo and hub can pass himself off as the hub. The secret in it is of use once, for the first key that uses it.
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
    """What a silo needs to enrol."""

    silo: str
    """Its name."""
    address: str
    """`host:port` of the front door."""
    front_door: str
    """The front door's name: that of the hub's certificate, and the end of all names behind it."""
    trust: str
    """PEM: the issuers of the hub's and the coordinators' certificates."""
    secret: str = Field(repr=False)
    """256 random bits; the hub keeps their hash alone."""
    expires: str
    """RFC 3339, for people; the hub decides by its own clock and its own record."""

    def encoded(self) -> str:
        """One line of text."""
        document = self.model_dump_json(by_alias=True).encode()
        return _PREFIX + base64.urlsafe_b64encode(zlib.compress(document, 9)).decode().rstrip("=")


def decoded(text: str) -> SiloToken:
    """Reads what `SiloToken.encoded` wrote; white space around or in it does not matter.

    Raises:
        FedjobsError: TOKEN_REFUSED. Its message has nothing of the token.
    """
    line = "".join(text.split())
    if not line.startswith(_PREFIX) or len(line) > _LONGEST:
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, "This is no token of a silo's invitation.", _REMEDY)
    packed = line.removeprefix(_PREFIX)
    try:
        reader = zlib.decompressobj()
        document = reader.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), 4 * _LONGEST)
        return SiloToken.model_validate(json.loads(document))
    except (binascii.Error, zlib.error, ValueError, ValidationError):
        raise FedjobsError(ErrorCode.TOKEN_REFUSED, "The token is damaged.", _REMEDY) from None


def new_secret() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """What may be written down of a secret: SHA-256, hexadecimal. It has 256 random bits, and needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, written: str) -> bool:
    """Whether a secret is that of a hash; takes as long whether it is or not."""
    return hmac.compare_digest(hashed(secret).encode(), written.encode())
