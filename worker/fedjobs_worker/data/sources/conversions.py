"""Converts arrays between dtypes. No value changes silently, except for the rounding of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from fedjobs_protocol.transfers.values import Array

from fedjobs_worker.data.sources.columns import MISSING, TEXT, is_missing, numpy_dtype


class MisfitError(Exception):
    """A value cannot be converted to the requested dtype.

    Args:
        row: The row, 0-based.
        value: The first such value.
    """

    def __init__(self, row: int, value: object) -> None:
        super().__init__(f"row {row}")
        self.row = row
        self.value = value


def problem_of(misfit: MisfitError, dtype: str) -> str:
    """Returns what is wrong with the value, for messages."""
    return MISSING if is_missing(misfit.value) else f"the value is not {article(dtype)} {dtype}"


def article(dtype: str) -> str:
    return "an" if dtype.startswith("i") else "a"


def converted(values: Array, dtype: str) -> Array:
    """Converts the values to `dtype` (TensorFlow's name).

    Numbers are rounded to floats. Floats are only converted to integers if they are whole and in range. NaN is a
    missing value.

    Raises:
        MisfitError: A value cannot be converted. The error has the first such row.
    """
    if dtype == TEXT:
        return _texts(values)
    target = numpy_dtype(dtype)
    if values.dtype.kind == "f":
        _check(~np.isnan(values), values)
    if values.dtype.kind not in "biuf":
        raise MisfitError(0, values.ravel()[0] if values.size else None)
    if target.kind in "iu" and values.dtype.kind in "iuf":
        _check_integers(values, np.iinfo(target))
    elif target.kind == "b" and values.dtype.kind != "b":
        _check((values == 0) | (values == 1), values)
    return values.astype(target, copy=False)


def _check_integers(values: Array, limits: np.iinfo[Any]) -> None:
    with np.errstate(invalid="ignore"):
        whole = np.equal(np.floor(values), values) if values.dtype.kind == "f" else np.True_
        # The limits are Python integers, because some dtypes have no common dtype (int64 and uint64).
        _check(whole & (values >= limits.min) & (values <= limits.max), values)


def _check(fits: Array, values: Array) -> None:
    if not np.all(fits):
        position = int(np.argmin(np.broadcast_to(fits, values.shape).ravel()))
        row = position // max(1, values[0].size)
        raise MisfitError(row, values.ravel()[position])


def _texts(values: Array) -> Array:
    result = np.empty(values.shape, dtype=object)
    for position, value in np.ndenumerate(values):
        result[position] = value if isinstance(value, bytes) else str(value).encode()
    return result
