"""Reads columns from CSV files with a header line.

pyarrow reads and converts the columns in one fast pass. Its errors often lack the line. So after an error, the standard
library's reader reads the file again to find it.
"""

from __future__ import annotations

import csv
import io
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import Array

from fedjobs_worker.data.sources.columns import (
    MISSING,
    TEXT,
    ColumnRequest,
    Columns,
    checked_columns,
    is_missing,
    malformed,
    numpy_dtype,
)
from fedjobs_worker.data.sources.conversions import MisfitError, article, converted
from fedjobs_worker.data.sources.locations import Location

_BLOCKS = (1 << 20, 1 << 24, 1 << 28, (1 << 31) - 1)  # bytes that pyarrow parses at once, at least one row
_EXACT = 1 << 53  # the largest integer up to which float64 has all integers
csv.field_size_limit(_BLOCKS[-1])
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
_ROWS_AT_ONCE = 10_000


def read(location: Location, requests: Sequence[ColumnRequest], delimiter: str = ",") -> Columns:
    """Reads the requested columns of a file.

    Raises:
        FedjobsError: DATA_NOT_FOUND, SCHEMA_MISMATCH (no such column), DATA_MALFORMED (naming file, line and column).
    """
    header = _header(location, requests, delimiter)
    columns: Columns = {}
    remaining = list(requests)
    while remaining:  # a second pass only if a column is requested with two dtypes
        wanted = {request.name: request for request in reversed(remaining)}
        try:
            columns |= _read(location, list(wanted.values()), delimiter)
        except pa.ArrowInvalid as error:
            raise _diagnosed(location, list(wanted.values()), header, delimiter, error) from error
        remaining = [request for request in remaining if request not in columns]
    return columns


def _header(location: Location, requests: Sequence[ColumnRequest], delimiter: str) -> list[str]:
    _, header = next(_records(location, delimiter), (1, []))
    checked_columns(str(location), requests, header)
    for request in requests:
        if header.count(request.name) > 1:
            raise FedjobsError(
                ErrorCode.SCHEMA_MISMATCH,
                f"{location} has {header.count(request.name)} columns named '{request.name}'.",
                "Give each column a unique name.",
            )
    return header


def _read(location: Location, requests: Sequence[ColumnRequest], delimiter: str) -> Columns:
    types = {request.name: _arrow_type(request.dtype) for request in requests}
    try:
        table = _table(location, requests, delimiter, types)
    except pa.ArrowInvalid:
        integers = {request.name: pa.binary() for request in requests if request.dtype in _INTEGERS}
        if not integers:
            raise
        table = _table(location, requests, delimiter, types | integers)
    return {request: _column(table[request.name], request) for request in requests}


def _table(
    location: Location, requests: Sequence[ColumnRequest], delimiter: str, types: Mapping[str, pa.DataType]
) -> pa.Table:
    options = pa.csv.ConvertOptions(
        column_types=types,
        include_columns=[request.name for request in requests],
        null_values=[""],
        strings_can_be_null=False,
    )
    for block in _BLOCKS:
        try:
            with location.open(decompressed=True) as file:
                return pa.csv.read_csv(
                    file,
                    read_options=pa.csv.ReadOptions(block_size=block),
                    parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                    convert_options=options,
                )
        except pa.ArrowInvalid as error:
            if "block" not in str(error) or block == _BLOCKS[-1]:
                raise
    raise AssertionError("the last block either succeeds or fails")


def _column(column: pa.ChunkedArray, request: ColumnRequest) -> Array:
    """Converts a column to NumPy.

    Raises:
        pa.ArrowInvalid: A value is missing, or is no whole number of the dtype.
    """
    if column.null_count:
        raise pa.ArrowInvalid(f"missing value in {request.name}")
    if request.dtype in _INTEGERS and pa.types.is_binary(column.type):
        return _integers(column, request.dtype)
    values = column.to_numpy()
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise pa.ArrowInvalid(f"missing value in {request.name}")
    return np.asarray(values.astype(numpy_dtype(request.dtype), copy=False))


def _integers(texts: pa.ChunkedArray, dtype: str) -> Array:
    """Parses integers, also if they are written as `1.0`, as pandas writes a column with a missing value."""
    texts = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    try:
        return np.asarray(texts.cast(pa.from_numpy_dtype(np.dtype(dtype))).to_numpy())
    except pa.ArrowInvalid:
        numbers = texts.cast(pa.float64()).to_numpy()
    if np.any(~(np.abs(numbers) <= _EXACT)):
        raise pa.ArrowInvalid(f"not a {dtype}")
    try:
        return converted(numbers, dtype)
    except MisfitError as misfit:
        raise pa.ArrowInvalid(f"not a {dtype}") from misfit


def _arrow_type(dtype: str) -> pa.DataType:
    # pyarrow does not parse half floats. NumPy rounds them.
    special = {TEXT: pa.binary(), "bool": pa.bool_(), "float16": pa.float32()}
    return special[dtype] if dtype in special else pa.from_numpy_dtype(np.dtype(dtype))


def _records(location: Location, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number (1-based) and the values of each record, starting with the header. Skips empty lines."""
    with location.open(decompressed=True) as file:
        reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), delimiter=delimiter)
        try:
            for record in reader:
                if record:
                    yield reader.line_num, record
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise FedjobsError(
                ErrorCode.DATA_MALFORMED,
                f"{location} cannot be decompressed: {error}.",
                "Compress the file again, or correct the suffix of its name.",
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            if _is_gzip(location):
                raise FedjobsError(
                    ErrorCode.DATA_MALFORMED, f"{location} is compressed with gzip.", "Rename it to end with .csv.gz."
                ) from error
            raise FedjobsError(
                ErrorCode.DATA_MALFORMED,
                f"{location}, row {reader.line_num + 1}: the row is not CSV in UTF-8.",
                "Write the file as UTF-8.",
            ) from error


def _is_gzip(location: Location) -> bool:
    with location.open() as file:
        return file.read(2) == b"\x1f\x8b"


def _diagnosed(
    location: Location, requests: Sequence[ColumnRequest], header: list[str], delimiter: str, error: pa.ArrowInvalid
) -> FedjobsError:
    """Returns the error for the first invalid record."""
    records = islice(_records(location, delimiter), 1, None)
    while chunk := list(islice(records, _ROWS_AT_ONCE)):
        for request in requests:
            if _all_fit([_cell(record, header, request) for _, record in chunk], request.dtype) and all(
                len(record) == len(header) for _, record in chunk
            ):
                continue
            for line, record in chunk:
                if problem := _record_problem(location, line, record, header, requests):
                    return problem
    return malformed(str(location), None, requests[0].name, "the file cannot be parsed as CSV", str(error))


def _record_problem(
    location: Location, line: int, record: list[str], header: list[str], requests: Sequence[ColumnRequest]
) -> FedjobsError | None:
    if len(record) != len(header):
        column = header[min(len(record), len(header) - 1)]
        problem = f"the record has {len(record)} values, but the header has {len(header)} columns"
        return malformed(str(location), line, column, problem)
    for request in requests:
        value = _cell(record, header, request)
        if not _all_fit([value], request.dtype):
            problem = MISSING if is_missing(value) else f"the value is not {article(request.dtype)} {request.dtype}"
            return malformed(str(location), line, request.name, problem, value)
    return None


def _cell(record: list[str], header: list[str], request: ColumnRequest) -> str:
    position = header.index(request.name)
    return record[position].strip() if position < len(record) else ""


def _all_fit(values: list[str], dtype: str) -> bool:
    if dtype == TEXT:
        return True
    if any(is_missing(value) for value in values):
        return False
    texts = pa.chunked_array([pa.array(values, pa.string())])
    try:
        if dtype in _INTEGERS:
            _integers(texts, dtype)
        else:
            _column(texts.cast(_arrow_type(dtype)), ColumnRequest("", dtype))
    except pa.ArrowInvalid:
        return False
    return True
