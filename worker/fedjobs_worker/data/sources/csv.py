"""Reads columns from CSV files with a header line.

pyarrow reads and converts the columns in one fast pass. Its errors often lack the line. So after an error, the standard
library's reader reads the file again to find it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.csv
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_worker.data.sources.columns import (
    MISSING,
    TEXT,
    ColumnRequest,
    Columns,
    checked_columns,
    malformed,
    numpy_dtype,
)
from fedjobs_worker.data.sources.locations import Location

_MISSING_VALUES = ["", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None"]
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
    options = pa.csv.ConvertOptions(
        column_types={request.name: _arrow_type(request.dtype) for request in requests},
        include_columns=[request.name for request in requests],
        null_values=_MISSING_VALUES,
        strings_can_be_null=False,
    )
    with location.open() as file:
        table = pa.csv.read_csv(
            file,
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=options,
        )
    for request in requests:
        if table[request.name].null_count:
            raise pa.ArrowInvalid(f"missing value in {request.name}")
    return {
        request: table[request.name].to_numpy().astype(numpy_dtype(request.dtype), copy=False) for request in requests
    }


def _arrow_type(dtype: str) -> pa.DataType:
    # pyarrow does not parse half floats. NumPy rounds them.
    special = {TEXT: pa.binary(), "bool": pa.bool_(), "float16": pa.float32()}
    return special[dtype] if dtype in special else pa.from_numpy_dtype(np.dtype(dtype))


def _records(location: Location, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number (1-based) and the values of each record, starting with the header. Skips empty lines."""
    with location.open() as file:
        reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), delimiter=delimiter)
        try:
            for record in reader:
                if record:
                    yield reader.line_num, record
        except (UnicodeDecodeError, csv.Error) as error:
            raise FedjobsError(
                ErrorCode.DATA_MALFORMED,
                f"{location}, row {reader.line_num + 1}: the row is not CSV in UTF-8.",
                "Write the file as UTF-8.",
            ) from error


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
            problem = MISSING if value in _MISSING_VALUES else f"the value is not a {request.dtype}"
            return malformed(str(location), line, request.name, problem, value)
    return None


def _cell(record: list[str], header: list[str], request: ColumnRequest) -> str:
    position = header.index(request.name)
    return record[position].strip() if position < len(record) else ""


def _all_fit(values: list[str], dtype: str) -> bool:
    if dtype == TEXT:
        return True
    if any(value in _MISSING_VALUES for value in values):
        return False
    try:
        pa.array(values, pa.string()).cast(_arrow_type(dtype))
    except pa.ArrowInvalid:
        return False
    return True
