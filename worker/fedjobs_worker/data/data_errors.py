"""Errors of a silo's data. Their texts name files, columns and types, so they stay in the silo by default."""

from __future__ import annotations

from fedjobs_common.errors import ErrorCode, FedjobsError


class DataError(FedjobsError):
    """A dataset cannot be used. The code is DATA_NOT_FOUND, DATA_MALFORMED or SCHEMA_MISMATCH."""


class LoaderDiedError(FedjobsError):
    """The process that reads the data died."""

    def __init__(self, silo: str, status: int) -> None:
        super().__init__(
            ErrorCode.RUNNER_FAILED,
            f"The loader of silo {silo} died with status {status}.",
            "See the silo's log for the reason, such as a lack of memory.",
        )
