"""What is asked of a source, and the errors that all sources share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

TEXT = "string"
_NAMED = 20  # existing columns that a message lists
MISSING = "the value is missing"
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class ColumnRequest:
    """One column, by name, as one dtype (TensorFlow's name for it); strings come as bytes objects."""

    name: str
    dtype: str


Columns = dict[ColumnRequest, Array]


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """NumPy's dtype for TensorFlow's name; strings are objects."""
    return np.dtype(object) if dtype == TEXT else np.dtype(dtype)


def malformed(file: str, row: int | None, column: str, problem: str, value: object = None) -> FedjobsError:
    """A record that does not fit.

    The error travels to the people who run the job, so it says where the record is and never what is in it. The value
    goes to the silo's own log.
    """
    where = f"{file}, row {row}, column '{column}'" if row is not None else f"{file}, column '{column}'"
    _LOG.warning("a record does not fit", file=file, row=row, column=column, problem=problem, value=value)
    return FedjobsError(ErrorCode.DATA_MALFORMED, f"{where}: {problem}.", "Correct or remove the record.")


def missing_column(file: str, column: str, existing: Collection[str]) -> FedjobsError:
    """A column that the silo's file names and the data do not have."""
    names = list(existing)
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return FedjobsError(
        ErrorCode.DATA_DOES_NOT_FIT,
        f"{file} has no column '{column}'; it has {listed or 'none'}.",
        "Correct the column's name in the silo's file, or the file.",
    )


def checked_columns(file: str, requests: Collection[ColumnRequest], existing: Collection[str]) -> None:
    """Raises DATA_DOES_NOT_FIT if a requested column does not exist."""
    for request in requests:
        if request.name not in existing:
            raise missing_column(file, request.name, existing)
