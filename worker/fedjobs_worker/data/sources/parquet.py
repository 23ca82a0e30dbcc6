"""Reads columns from Parquet files. Only the requested columns are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

from fedjobs_worker.data.sources.columns import TEXT, ColumnRequest, Columns, checked_columns, malformed
from fedjobs_worker.data.sources.conversions import MisfitError, converted, problem_of
from fedjobs_worker.data.sources.locations import Location


def read(location: Location, requests: Sequence[ColumnRequest]) -> Columns:
    """Reads the requested columns of a file. A column of lists becomes an array with a dimension for the lists.

    Raises:
        FedjobsError: DATA_NOT_FOUND, SCHEMA_MISMATCH (no such column), DATA_MALFORMED (naming file, row and column).
    """
    with location.open() as file:
        try:
            parquet = pq.ParquetFile(file)
            checked_columns(str(location), requests, parquet.schema_arrow.names)
            table = parquet.read(columns=sorted({request.name for request in requests}))
        except (pa.ArrowInvalid, OSError) as error:
            raise FedjobsError(
                ErrorCode.DATA_MALFORMED, f"{location} is not a valid Parquet file.", "Write the file again."
            ) from error
    return {request: _column(location, request, table[request.name]) for request in requests}


def _column(location: Location, request: ColumnRequest, column: pa.ChunkedArray) -> Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # without any chunk
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    try:
        if request.dtype == TEXT and _is_text(array.type):
            array = array.fill_null("")  # as an empty cell of a CSV file
        return converted(_dense(array), request.dtype)
    except MisfitError as misfit:
        problem = problem_of(misfit, request.dtype)
        raise malformed(str(location), misfit.row + 1, request.name, problem, misfit.value) from misfit


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _dense(array: pa.Array) -> Array:
    """Converts to NumPy. Lists of equal length become a dimension. Missing values are an error."""
    kind = array.type
    if array.null_count:
        raise MisfitError(pc.index(array.is_null(), True).as_py(), None)
    if pa.types.is_dictionary(kind):
        return _dense(array.dictionary_decode())
    if pa.types.is_decimal(kind):
        whole = kind.scale <= 0 and kind.precision <= 18
        return _dense(array.cast(pa.int64() if whole else pa.float64()))
    if _is_text(kind):
        return _dense(array.cast(pa.large_binary()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _rows(array)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _rows(array: pa.Array) -> Array:
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
    length = int(lengths[0]) if len(lengths) else 0
    if np.any(lengths != length):
        row = int(np.argmax(lengths != length))
        raise MisfitError(row, f"a list of length {lengths[row]}, but the other lists have length {length}")
    try:
        inner = _dense(array.flatten())
    except MisfitError as misfit:
        raise MisfitError(misfit.row // max(1, length), misfit.value) from misfit
    return inner.reshape(len(array), length, *inner.shape[1:])
