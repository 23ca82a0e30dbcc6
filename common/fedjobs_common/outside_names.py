"""Names that another party chooses, as types that cannot be a path, an option, a control sequence or another address.

Each is checked once, when a message or a file is read. `fedjobs_api.fields` has the types of the job's file.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_TEXT = 1024
"""The maximum length of a `PrintableText`."""
DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A label of a DNS name, such as the name of a namespace."""
DnsName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A DNS name, such as the name of a job."""
Uid = Annotated[str, Field(pattern=r"^[0-9A-Za-z]([-0-9A-Za-z]*[0-9A-Za-z])?$", max_length=63)]
"""The uid of an object."""
Address = Annotated[
    str,
    Field(pattern=r"^([0-9A-Za-z]([-.0-9A-Za-z]*[0-9A-Za-z])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$", max_length=300),
]
"""`host:port`. Other targets that gRPC knows, such as `unix:/path`, do not match."""


def _checked_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a character that cannot be printed")
    return text


PrintableText = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_checked_printable)]
"""A name without further rules, such as that of a person or of a dataset, on one line."""

_PATH_PART = re.compile(r"[0-9A-Za-z]([-.0-9A-Za-z]{0,251}[0-9A-Za-z])?")


def path_part(text: str) -> str:
    """Returns a name that can be one part of a path, and nothing else.

    Raises:
        ValueError: It is something else, such as `..`, a name with a slash, or a hidden file.
    """
    if not _PATH_PART.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of a file")
    return text
