"""The column requests for a source, and the errors that all sources share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

TEXT = "string"
_NAMED = 20  # maximum number of columns in a message
MISSING = "the value is missing"
_MISSING_TEXTS = frozenset({"", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nan", "-nan", "+nan"})
_LOG = structlog.get_logger()


@dataclass(frozen=True)
class ColumnRequest:
    """A request for a column with a dtype, by TensorFlow's name. Strings are returned as bytes objects."""

    name: str
    dtype: str


Columns = dict[ColumnRequest, Array]


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Returns NumPy's dtype for TensorFlow's name. Strings are objects."""
    return np.dtype(object) if dtype == TEXT else np.dtype(dtype)


def is_missing(value: object) -> bool:
    """Returns whether a value of a column of numbers is missing. This is one rule for all sources.

    Missing are nulls, NaN, and in text the spellings that pandas reads as missing, in upper or lower case.
    """
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or (isinstance(value, str) and value.strip().casefold() in _MISSING_TEXTS)


def malformed(file: str, row: int | None, column: str, problem: str, value: object = None) -> FedjobsError:
    """Returns the error for an invalid record.

    The user who runs the job sees the error. So it says where the record is, and never contains the value. The value is
    written to the silo's log.
    """
    where = f"{file}, row {row}, column '{column}'" if row is not None else f"{file}, column '{column}'"
    _LOG.warning("invalid record", file=file, row=row, column=column, problem=problem, value=value)
    return FedjobsError(ErrorCode.DATA_MALFORMED, f"{where}: {problem}.", "Correct or remove the record.")


def missing_column(file: str, column: str, existing: Collection[str]) -> FedjobsError:
    """Returns the error for a column that is in the silo file and not in the data."""
    names = list(existing)
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return FedjobsError(
        ErrorCode.SCHEMA_MISMATCH,
        f"{file} has no column '{column}'. Its columns are: {listed or 'none'}.",
        "Correct the column's name in the silo file, or the file.",
    )


def checked_columns(file: str, requests: Collection[ColumnRequest], existing: Collection[str]) -> None:
    """Raises SCHEMA_MISMATCH if a requested column does not exist."""
    for request in requests:
        if request.name not in existing:
            raise missing_column(file, request.name, existing)
