"""The silo's secret for the sampling of clients."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from fedjobs_common.files import write_atomically

_BYTES = 32


def sampling_secret(state: Path, given: Path | None = None) -> bytes:
    """Returns the silo's secret for a job. Creates it if it does not exist, so that a restart selects the same clients.

    Args:
        state: A folder that outlives the process.
        given: A file with the secret, if somebody else keeps it.
    """
    if given is not None:
        return given.read_bytes()
    path = state / "sampling-secret"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, secrets.token_bytes(_BYTES), durable=True)
    return path.read_bytes()


def derived_secret(secret: bytes, name: str) -> bytes:
    """Returns the secret of a job or of a dataset."""
    return hashlib.blake2b(name.encode(), key=secret[:64], digest_size=_BYTES).digest()
