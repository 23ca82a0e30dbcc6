from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker.data import datasets
from fedjobs_worker.data.schemas import Component
from fedjobs_worker.runner.sampling import sample
from fedjobs_worker.silo_files import DatasetFile

ROWS = "p0,p1,digit,patient\n1,2,7,b\n3,4,8,a\n5,6,9,b\n"


def described(folder: Path, **fields: Any) -> DatasetFile:
    return DatasetFile.model_validate(
        {"source": {"csv": {"path": str(folder / "*.csv")}}, "features": {"columns": ["p0", "p1"]}, "label": "digit"}
        | fields
    )


def component(dataset: datasets.Dataset, name: str) -> np.ndarray:
    return dataset.arrays[[component.name for component in dataset.schema].index(name)]


def test_columns_become_x_and_the_label_becomes_y(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(ROWS)
    dataset = datasets.load(described(tmp_path))
    assert dataset.schema == (Component("x", "float32", (2,)), Component("y", "int32", ()))
    assert component(dataset, "x").tolist() == [[1, 2], [3, 4], [5, 6]]
    assert dataset.offsets.tolist() == [0, 3]


def test_rows_are_grouped_by_client_in_the_order_of_their_ids(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(ROWS)
    dataset = datasets.load(described(tmp_path, clients={"column": "patient"}))
    assert dataset.offsets.tolist() == [0, 1, 3]
    assert component(dataset, "y").tolist() == [8, 7, 9]


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "2.csv").write_text("digit,p1,p0\n6,0,0\n")
    (tmp_path / "1.csv").write_text(ROWS)
    assert component(datasets.load(described(tmp_path)), "y").tolist() == [7, 8, 9, 6]


def test_a_spec_defines_the_dtype_and_shape_of_each_feature(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(ROWS)
    spec = {"square": {"columns": ["p0", "p1"], "shape": [2, 1]}, "age": {"column": "p1", "dtype": "int64"}}
    dataset = datasets.load(described(tmp_path, features={"spec": spec}, label=None))
    assert dataset.schema == (
        Component("x/age", "int64", ()),
        Component("x/square", "float32", (2, 1)),
    )


def test_a_shape_that_does_not_match_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(ROWS)
    spec = {"square": {"columns": ["p0", "p1"], "shape": [2, 2]}}
    with pytest.raises(FedjobsError, match="has 2 values in each row") as caught:
        datasets.load(described(tmp_path, features={"spec": spec}))
    assert caught.value.code is ErrorCode.SCHEMA_MISMATCH


@pytest.mark.parametrize("clients", [None, {"column": "patient"}])
def test_no_rows_are_no_clients(tmp_path: Path, clients: dict[str, str] | None) -> None:
    (tmp_path / "1.csv").write_text("p0,p1,digit,patient\n")
    assert datasets.load(described(tmp_path, clients=clients)).offsets.tolist() == [0]


def test_npz_arrays_keep_their_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", image=np.ones((3, 4, 4)), digit=np.zeros(3, np.int64))
    source = {"npz": {"path": str(tmp_path / "1.npz")}}
    dataset = datasets.load(described(tmp_path, source=source, features={"columns": ["image"]}))
    assert dataset.schema[0] == Component("x", "float32", (4, 4))


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", image=np.ones((3, 4)), digit=np.zeros(2, np.int64))
    source = {"npz": {"path": str(tmp_path / "1.npz")}}
    with pytest.raises(FedjobsError, match="column 'digit'"):
        datasets.load(described(tmp_path, source=source, features={"columns": ["image"]}))


def test_the_sample_of_a_round_is_fixed_by_its_seed() -> None:
    assert sample(100, 5, seed=7).tolist() == sample(100, 5, seed=7).tolist()
    assert sample(100, 5, seed=7).tolist() != sample(100, 5, seed=8).tolist()
    # Fixed forever: a run that continues with a newer version must select the same clients.
    assert sample(10, 3, seed=7).tolist() == [0, 4, 7]


@pytest.mark.parametrize("per_round", [None, 3, 10])
def test_all_clients_take_part_if_there_are_fewer_than_requested(per_round: int | None) -> None:
    assert sample(3, per_round, seed=1).tolist() == [0, 1, 2]
