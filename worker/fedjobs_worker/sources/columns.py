"""What is asked of a source, and the errors that all sources share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from fedjobs_protocol.errors import ErrorCode, FedjobsError

TEXT = "string"
_NAMED = 20  # existing columns that a message lists
_LONGEST_VALUE = 60  # characters of a wrong value that are repeated


@dataclass(frozen=True)
class ColumnRequest:
    """One column, by name, as one dtype: TensorFlow's name for it; a string column becomes an array of bytes objects."""

    name: str
    dtype: str


Columns = dict[ColumnRequest, np.ndarray]


def numpy_dtype(dtype: str) -> np.dtype:
    """NumPy's dtype for TensorFlow's name; strings are objects."""
    return np.dtype(object) if dtype == TEXT else np.dtype(dtype)


def malformed(file: str, row: int | None, column: str, problem: str) -> FedjobsError:
    """A record that does not fit; never shown with more than the one value that is wrong."""
    where = f"{file}, row {row}, column '{column}'" if row is not None else f"{file}, column '{column}'"
    return FedjobsError(ErrorCode.DATA_MALFORMED, f"{where}: {problem}.", "Correct or remove the record.")


def wrong_value(value: object, dtype: str) -> str:
    """The problem of a value that is not of its column's dtype."""
    text = str(value)
    if not text.strip():
        return f"the value is missing where a {dtype} is expected"
    shown = text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
    return f"'{shown}' is not a {dtype}"


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
