from __future__ import annotations

import gzip
import importlib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.data.sources import csv, npz, parquet
from fedjobs_worker.data.sources.columns import ColumnRequest
from fedjobs_worker.data.sources.locations import Location, matching

FLOAT_A = ColumnRequest("a", "float32")
INT_B = ColumnRequest("b", "int32")
TEXT_C = ColumnRequest("c", "string")

SPELLINGS = ["nan", "NaN", "-nan", "NA", "na", "<NA>", "N/A", "#N/A", "null", "NULL", "None", " "]


def written(path: Path, text: str) -> Location:
    path.write_text(text)
    return matching(str(path))[0]


def parquet_file(path: Path, **columns: object) -> Location:
    pq.write_table(pa.table(columns), path)
    return matching(str(path))[0]


def error_of(call: object, *arguments: object) -> FedjobsError:
    with pytest.raises(FedjobsError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value


def test_csv_columns_are_selected_by_name_in_any_order(tmp_path: Path) -> None:
    first = csv.read(written(tmp_path / "1.csv", "a,b,c\n1.5,2,x\n2.5,3,y\n"), [FLOAT_A, INT_B, TEXT_C])
    other = csv.read(written(tmp_path / "2.csv", "c,unused,b,a\nx,!,2,1.5\ny,!,3,2.5\n"), [FLOAT_A, INT_B, TEXT_C])
    for request in (FLOAT_A, INT_B, TEXT_C):
        np.testing.assert_array_equal(first[request], other[request])
    assert first[FLOAT_A].dtype == np.float32
    assert first[TEXT_C].tolist() == [b"x", b"y"]


def test_one_csv_column_can_be_read_with_two_dtypes(tmp_path: Path) -> None:
    both = [ColumnRequest("a", "int32"), ColumnRequest("a", "string")]
    columns = csv.read(written(tmp_path / "1.csv", "a\n7\n8\n"), both)
    assert columns[both[0]].tolist() == [7, 8]
    assert columns[both[1]].tolist() == [b"7", b"8"]


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "int8", "uint8", "uint16", "uint32", "uint64", "int64", "bool"]
)
def test_csv_reads_every_dtype(tmp_path: Path, dtype: str) -> None:
    request = ColumnRequest("a", dtype)
    assert csv.read(written(tmp_path / "1.csv", "a\n1\n0\n"), [request])[request].dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("text", "row", "column", "problem"),
    [
        ("a,b\n1,2\n1,two\n", 3, "b", "not an int32"),
        ("a,b\n1,2\n\nx,2\n", 4, "a", "not a float32"),
        ("a,b\n1,2\n1,\n", 3, "b", "missing"),
        ("a,b\n1,2\n1\n", 3, "b", "1 values, but the header has 2 columns"),
        ("a,b\n1,2\n1,2,3\n", 3, "b", "3 values, but the header has 2 columns"),
        ("a,b\n1,2.5\n", 2, "b", "not an int32"),
        ("a,b\n1,9007199254740993.0\n", 2, "b", "not an int32"),
        *((f"a,b\n1,2\n{spelling},2\n", 3, "a", "the value is missing") for spelling in SPELLINGS),
        *((f"a,b\n1,2\n1,{spelling}\n", 3, "b", "the value is missing") for spelling in SPELLINGS),
        ('a,b,c\n1,2,"two\nlines"\nx,2,z\n', 4, "a", "not a float32"),
    ],
)
def test_a_malformed_csv_record_names_file_line_and_column(
    tmp_path: Path, text: str, row: int, column: str, problem: str
) -> None:
    error = error_of(csv.read, written(tmp_path / "bad.csv", text), [FLOAT_A, INT_B])
    assert error.code is ErrorCode.DATA_MALFORMED
    assert "bad.csv" in error.message
    assert f"row {row}, column '{column}'" in error.message
    assert problem in error.message


def test_an_integer_can_have_a_decimal_point(tmp_path: Path) -> None:
    location = written(tmp_path / "1.csv", "b\n1.0\n2.00\n3\n-4e1\n")
    assert csv.read(location, [INT_B])[INT_B].tolist() == [1, 2, 3, -40]
    beyond_floats = written(tmp_path / "2.csv", "d\n9007199254740993\n")
    request = ColumnRequest("d", "int64")
    assert csv.read(beyond_floats, [request])[request].tolist() == [9007199254740993]


def test_a_missing_text_is_an_empty_text_in_every_source(tmp_path: Path) -> None:
    from_csv = csv.read(written(tmp_path / "1.csv", "a,c\n1,\n1,NA\n"), [TEXT_C])
    from_parquet = parquet.read(parquet_file(tmp_path / "1.parquet", c=[None, "NA"]), [TEXT_C])
    assert from_csv[TEXT_C].tolist() == from_parquet[TEXT_C].tolist() == [b"", b"NA"]


@pytest.mark.parametrize("wide", ["a" * 1_100_000, "a"], ids=["header", "cell"])
def test_a_long_header_and_a_long_cell_are_read(tmp_path: Path, wide: str) -> None:
    text = "x" * (2_200_000 if wide == "a" else 1)
    location = written(tmp_path / "1.csv", f"b,{wide}\n7,{text}\n8,y\n")
    assert csv.read(location, [INT_B])[INT_B].tolist() == [7, 8]
    broken = written(tmp_path / "2.csv", f"b,{wide}\n7,{text}\nz,y\n")
    assert "row 3, column 'b': the value is not an int32" in error_of(csv.read, broken, [INT_B]).message


@pytest.mark.parametrize(("module", "ending"), [("gzip", "gz"), ("bz2", "bz2"), ("lzma", "xz")])
def test_a_compressed_csv_file_is_read(tmp_path: Path, module: str, ending: str) -> None:
    path = tmp_path / f"1.csv.{ending}"
    path.write_bytes(importlib.import_module(module).compress(b"b\n7\n8\n"))
    assert csv.read(matching(str(path))[0], [INT_B])[INT_B].tolist() == [7, 8]


def test_a_compressed_file_with_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(gzip.compress(b"b\n7\n"))
    assert "is compressed with gzip" in error_of(csv.read, matching(str(tmp_path / "1.csv"))[0], [INT_B]).message
    (tmp_path / "2.csv.gz").write_bytes(b"b\n7\n")
    assert "cannot be decompressed" in error_of(csv.read, matching(str(tmp_path / "2.csv.gz"))[0], [INT_B]).message


def test_a_file_whose_name_looks_like_a_pattern_is_read(tmp_path: Path) -> None:
    (tmp_path / "a [2024].csv").touch()
    assert [Path(found.path).name for found in matching(str(tmp_path / "a [2024].csv"))] == ["a [2024].csv"]


def test_decimals_are_numbers(tmp_path: Path) -> None:
    values = [Decimal("1.50"), Decimal("-2.00")]
    file = parquet_file(tmp_path / "1.parquet", a=pa.array(values, pa.decimal128(10, 2)), b=[Decimal(3), Decimal(4)])
    columns = parquet.read(file, [FLOAT_A, INT_B])
    assert columns[FLOAT_A].tolist() == [1.5, -2.0]
    assert columns[INT_B].tolist() == [3, 4]
    broken = parquet_file(tmp_path / "2.parquet", b=pa.array(values, pa.decimal128(10, 2)))
    assert "row 1, column 'b'" in error_of(parquet.read, broken, [INT_B]).message


def test_nan_is_a_missing_value_in_every_source(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", a=np.array([1, np.nan]))
    errors = [
        error_of(npz.read, matching(str(tmp_path / "1.npz"))[0], [FLOAT_A]),
        error_of(parquet.read, parquet_file(tmp_path / "1.parquet", a=[1.0, float("nan")]), [FLOAT_A]),
        error_of(parquet.read, parquet_file(tmp_path / "2.parquet", a=[1.0, None]), [FLOAT_A]),
    ]
    assert all("row 2, column 'a': the value is missing" in error.message for error in errors)


def test_a_malformed_csv_record_near_the_end_is_found(tmp_path: Path) -> None:
    lines = ["a,b", *["1,2"] * 25_000, "1,z", *["1,2"] * 10]
    error = error_of(csv.read, written(tmp_path / "bad.csv", "\n".join(lines)), [FLOAT_A, INT_B])
    assert "row 25002, column 'b'" in error.message


def test_the_error_of_a_record_does_not_contain_its_value(tmp_path: Path) -> None:
    error = error_of(csv.read, written(tmp_path / "bad.csv", "a\nsecret-name\n"), [FLOAT_A])
    assert "secret-name" not in error.public


def test_a_missing_column_names_those_that_exist(tmp_path: Path) -> None:
    error = error_of(csv.read, written(tmp_path / "1.csv", "a,z\n1,2\n"), [FLOAT_A, INT_B])
    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert "no column 'b'. Its columns are: a, z." in error.message


def test_an_empty_csv_file_has_no_columns(tmp_path: Path) -> None:
    assert "Its columns are: none." in error_of(csv.read, written(tmp_path / "1.csv", ""), [FLOAT_A]).message


def test_a_repeated_column_is_refused(tmp_path: Path) -> None:
    error = error_of(csv.read, written(tmp_path / "1.csv", "a,a\n1,2\n"), [FLOAT_A])
    assert "2 columns named 'a'" in error.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for pattern in ("none.csv", "*.csv"):
        error = error_of(matching, str(tmp_path / pattern))
        assert error.code is ErrorCode.DATA_NOT_FOUND
        assert pattern in error.message


def test_a_pattern_yields_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    assert [Path(found.path).name for found in matching(str(tmp_path / "*.csv"))] == ["a.csv", "b.csv"]


def test_parquet_lists_become_a_dimension_and_strings_become_bytes(tmp_path: Path) -> None:
    file = parquet_file(tmp_path / "1.parquet", a=[[1.0, 2.0], [3.0, 4.0]], b=[1, 2], c=["x", "y"])
    columns = parquet.read(file, [FLOAT_A, INT_B, TEXT_C])
    assert columns[FLOAT_A].tolist() == [[1, 2], [3, 4]]
    assert columns[FLOAT_A].dtype == np.float32
    assert columns[TEXT_C].tolist() == [b"x", b"y"]


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"b": [1, None, 3]}, 2),
        ({"b": [1.0, 2.0, 2.5]}, 3),
        ({"b": [1, 2**40]}, 2),
        ({"b": ["x"]}, 1),
        ({"b": [[1, 2], [1]]}, 2),
        ({"b": [[1, 2], [1, None]]}, 2),
    ],
)
def test_a_malformed_parquet_record_names_file_row_and_column(
    tmp_path: Path, columns: dict[str, list[object]], row: int
) -> None:
    error = error_of(parquet.read, parquet_file(tmp_path / "bad.parquet", **columns), [INT_B])
    assert error.code is ErrorCode.DATA_MALFORMED
    assert f"bad.parquet, row {row}, column 'b'" in error.message


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    location = parquet_file(tmp_path / "1.parquet", b=[1, 2])
    (tmp_path / "1.parquet").write_bytes((tmp_path / "1.parquet").read_bytes()[:-20])
    assert error_of(parquet.read, location, [INT_B]).code is ErrorCode.DATA_MALFORMED


def test_npz_arrays_are_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", a=np.ones((2, 3), np.float64), b=np.array([1, 2], np.int64))
    columns = npz.read(matching(str(tmp_path / "1.npz"))[0], [FLOAT_A, INT_B])
    assert columns[FLOAT_A].shape == (2, 3)
    assert columns[INT_B].dtype == np.int32


def test_npz_does_not_load_pickled_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", b=np.array([{}], dtype=object))
    error = error_of(npz.read, matching(str(tmp_path / "1.npz"))[0], [INT_B])
    assert error.code is ErrorCode.DATA_MALFORMED


def test_a_malformed_npz_value_names_file_row_and_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", b=np.array([[1.0, 2.0], [1.0, np.nan]]))
    error = error_of(npz.read, matching(str(tmp_path / "1.npz"))[0], [INT_B])
    assert "1.npz, row 2, column 'b'" in error.message
