"""The silo's secret for the sampling of clients.

A silo has one secret for all jobs and datasets. With different ones, the same clients would be in different groups, and
the difference of results of two jobs could be over fewer clients than a group has (see `sampling`).
"""

from __future__ import annotations

import secrets
from pathlib import Path

from fedjobs_common.files import write_atomically

FILE = "sampling-secret"
_BYTES = 32


def sampling_secret(folder: Path, given: Path | None = None) -> bytes:
    """Returns the secret. Creates it if it does not exist, so that a restart selects the same clients.

    Args:
        folder: A folder that outlives the process.
        given: A file with the secret, if somebody else keeps it.
    """
    if given is not None:
        return given.read_bytes()
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, secrets.token_bytes(_BYTES), durable=True)
    return path.read_bytes()
