"""Reads columns from NumPy archives. The names of the arrays are the columns, and their first dimension is the rows."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

from fedjobs_worker.data.sources.columns import ColumnRequest, Columns, checked_columns, malformed
from fedjobs_worker.data.sources.conversions import MisfitError, converted, problem_of
from fedjobs_worker.data.sources.locations import Location


def read(location: Location, requests: Sequence[ColumnRequest]) -> Columns:
    """Reads the requested arrays of an archive. Never loads pickled objects, because they can run code.

    Raises:
        FedjobsError: DATA_NOT_FOUND, SCHEMA_MISMATCH (no such array), DATA_MALFORMED (naming file, row and array).
    """
    with location.open() as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                checked_columns(str(location), requests, archive.files)
                arrays = {request.name: archive[request.name] for request in requests}
        except (ValueError, zipfile.BadZipFile, EOFError, OSError, TypeError, AttributeError) as error:
            raise FedjobsError(
                ErrorCode.DATA_MALFORMED,
                f"{location} is not a NumPy archive of plain arrays: {error}.",
                "Write it with numpy.savez, without object arrays.",
            ) from error
    return {request: _column(location, request, arrays[request.name]) for request in requests}


def _column(location: Location, request: ColumnRequest, array: Array) -> Array:
    if array.ndim == 0:
        raise malformed(str(location), None, request.name, "the array is a scalar, without rows")
    try:
        return converted(array, request.dtype)
    except MisfitError as misfit:
        problem = problem_of(misfit, request.dtype)
        raise malformed(str(location), misfit.row + 1, request.name, problem, misfit.value) from misfit
