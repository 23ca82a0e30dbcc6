"""Merging from and to files: sizes around a block, memory use, and ownership of files (see also test_merging)."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import SiloName
from fedjobs_compute.plans import MergeKind
from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredArray
from fedjobs_coordinator.aggregation.merging import BLOCK, Leaves, Merger, NotFiniteError
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_protocol.transfers.values import frame

Array = npt.NDArray[Any]
FOLDS: dict[MergeKind, Callable[[Array, Array], Array]] = {
    MergeKind.SUM: np.add,
    MergeKind.MINIMUM: np.minimum,
    MergeKind.MAXIMUM: np.maximum,
}


class _Merging:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = BlobStore(folder / "values", FilePool(folder / "spares", most=2))
        self._reports = 0

    def merge(self, kinds: list[MergeKind | None], *silos: list[Any], general: Any = None) -> Leaves:
        merger = Merger(kinds, self.store)
        try:
            return merger.merge([self.report(leaves) for leaves in silos], general or (lambda a, b: a))
        finally:
            merger.close()

    def report(self, leaves: list[Any]) -> Report:
        self._reports += 1
        path = self.folder / f"{self._reports}.value"
        with path.open("wb") as file:
            for buffer in frame(leaves).buffers():
                file.write(buffer)
        return Report(SiloName(f"silo-{self._reports}"), 1, "cpu", "", path)

    def files(self) -> int:
        gc.collect()
        return len(list((self.folder / "values").iterdir()))


@pytest.fixture
def merging(tmp_path: Path) -> _Merging:
    return _Merging(tmp_path)


def _open_in(folder: Path) -> list[str]:
    """Returns the files in the folder that this process has open."""
    paths = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the listing itself
            paths.append(str(entry.readlink()))
    return [path for path in paths if path.startswith(str(folder))]


def _folded(kind: MergeKind, parts: list[Array]) -> Array:
    result = parts[0]
    for part in parts[1:]:
        result = FOLDS[kind](result, part)
    return result


@pytest.mark.parametrize("kind", list(MergeKind))
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8"])
@pytest.mark.parametrize("nbytes", [BLOCK - 8, BLOCK, BLOCK + 8, 2 * BLOCK, 3 * BLOCK + 16])
def test_merging_in_blocks_has_the_bits_of_a_left_fold(
    merging: _Merging, kind: MergeKind, dtype: str, nbytes: int
) -> None:
    size = nbytes // np.dtype(dtype).itemsize
    random = np.random.default_rng(size)
    parts = [(random.normal(size=size) * 50).astype(dtype) for _ in range(3)]
    (merged,) = merging.merge([kind], *([part] for part in parts))
    assert isinstance(merged, StoredArray)
    assert merged.dtype == dtype
    assert merged.tobytes() == _folded(kind, parts).tobytes()


def test_one_report_can_have_leaves_of_all_sizes(merging: _Merging) -> None:
    random = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(3,), (), (500, 501), (0,), (7, 1, 2), (300_001,)]
    dtypes = ["float32", "int64", "float32", "float64", "uint8", "float64"]
    silos = [[(random.normal(size=s) * 9).astype(d) for s, d in zip(shapes, dtypes, strict=True)] for _ in range(4)]
    merged = merging.merge([MergeKind.SUM] * len(shapes), *silos)
    for position, leaf in enumerate(merged):
        expected = _folded(MergeKind.SUM, [silo[position] for silo in silos])
        assert leaf.shape == expected.shape
        assert leaf.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [5, BLOCK])
def test_a_merge_of_one_report_is_the_report(merging: _Merging, size: int) -> None:
    part = np.random.default_rng(1).normal(size=size)
    for kind in MergeKind:
        assert merging.merge([kind], [part])[0].tobytes() == part.tobytes()


@pytest.mark.parametrize("kind", list(MergeKind))
@pytest.mark.parametrize("position", [0, BLOCK // 4 - 1, BLOCK // 4, -1])
def test_nan_is_found_in_every_block_and_all_responsible_silos_are_named(
    merging: _Merging, kind: MergeKind, position: int
) -> None:
    good = np.ones(BLOCK // 2, np.float32)
    bad = good.copy()
    bad[position] = np.nan
    with pytest.raises(NotFiniteError) as raised:
        merging.merge([kind], [good], [bad], [good], [bad])
    assert raised.value.silos == ("silo-2", "silo-4")


def test_infinities_that_result_in_nan_name_the_silos_that_sent_them(merging: _Merging) -> None:
    with pytest.raises(NotFiniteError) as raised:
        merging.merge(
            [MergeKind.SUM],
            [np.array([np.inf], np.float32)],
            [np.array([1], np.float32)],
            [np.array([-np.inf], np.float32)],
        )
    assert raised.value.silos == ("silo-1", "silo-3")


def test_an_overflow_of_a_large_sum_of_finite_parts_names_no_silo(merging: _Merging) -> None:
    largest = np.full(BLOCK, np.finfo(np.float32).max)
    (merged,) = merging.merge([MergeKind.SUM], [largest], [largest])
    assert np.isinf(merged).all()


def test_a_merge_that_fails_leaves_no_file_and_no_descriptor(merging: _Merging) -> None:
    bad = np.ones(BLOCK, np.float32)
    bad[-1] = np.nan
    for _ in range(5):
        with pytest.raises(NotFiniteError):
            merging.merge([MergeKind.SUM], [bad])
    assert merging.files() == 0
    assert not _open_in(merging.folder)


def test_memory_does_not_grow_with_silos_and_size(merging: _Merging) -> None:
    part = np.ones(6 * BLOCK, np.float32)  # 24 MiB
    reports = [merging.report([part]) for _ in range(4)]
    del part
    merger = Merger([MergeKind.SUM], merging.store)
    tracemalloc.start()
    (merged,) = merger.merge(reports, lambda a, b: a)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    merger.close()
    assert peak < 8 * BLOCK
    assert merged[-1] == 4


@pytest.mark.parametrize("silos", [1, 2])
def test_the_result_of_a_general_merge_does_not_change_when_the_reports_file_is_reused(
    merging: _Merging, silos: int
) -> None:
    part = np.arange(BLOCK, dtype=np.float32)
    reports = [merging.report([part]) for _ in range(silos)]
    merger = Merger([None], merging.store)
    (merged,) = merger.merge(reports, lambda a, b: a)
    merger.close()
    for report in reports:
        assert report.path is not None
        with report.path.open("r+b") as file:
            file.write(bytes(frame([part]).size))
            file.truncate(10)
    assert np.array_equal(merged, part)


def test_a_general_merge_is_a_left_fold_of_complete_accumulators(merging: _Merging) -> None:
    def concatenated(a: Leaves, b: Leaves) -> Leaves:
        return [np.concatenate([a[0], b[0]]), np.array(a[1].item() + b[1].item(), dtype=object)]

    silos: list[list[Any]] = [[np.arange(n), np.array(f"{n}".encode(), dtype=object)] for n in (1, 2, 3)]
    first, second = merging.merge([None, None], *silos, general=concatenated)
    assert first.tolist() == [0, 0, 1, 0, 1, 2]
    assert second.item() == b"123"


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, ml_dtypes.bfloat16])
def test_nan_of_every_dtype_is_found_in_leaves_of_unknown_kind(merging: _Merging, dtype: Any) -> None:
    with pytest.raises(NotFiniteError) as raised:
        merging.merge([None], [np.ones(3, dtype)], [np.array([1, np.nan, 1], dtype)])
    assert raised.value.silos == ("silo-2",)
