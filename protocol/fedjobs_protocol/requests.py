"""Decodes requests inside of a call, so that bytes that are no message get an error of the catalogue.

gRPC itself would answer UNKNOWN with the name of a Python class.
"""

from __future__ import annotations

from typing import TypeVar

from fedjobs_common.errors import ErrorCode, FedjobsError
from google.protobuf.message import DecodeError, Message

from fedjobs_protocol.received import received

Request = TypeVar("Request", bound=Message)


def decode(kind: type[Request], data: bytes) -> Request:
    """Returns the request that a caller sent. Its texts are printable.

    Args:
        kind: The type of the call's request.
        data: The bytes of the message.

    Raises:
        FedjobsError: REQUEST_MALFORMED.
    """
    try:
        return received(kind)(data)
    except DecodeError:
        raise FedjobsError(
            ErrorCode.REQUEST_MALFORMED,
            f"The {len(data)} bytes of the request are no {kind.DESCRIPTOR.name}.",
            "Install the same release of fedjobs on both sides.",
        ) from None
