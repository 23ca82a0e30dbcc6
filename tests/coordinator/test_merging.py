from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import SiloName
from fedjobs_compute.plans import MergeKind
from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredArray
from fedjobs_coordinator.aggregation.merging import BLOCK, Merger, NotFiniteError
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_protocol.transfers.layouts import TensorLayout
from fedjobs_protocol.transfers.values import frame, layout

Array = npt.NDArray[Any]
LARGE = BLOCK // 4 * 3 + 5  # elements: several blocks, the last one short


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _report(folder: Path, silo: str, leaves: list[Array]) -> Report:
    path = folder / f"{silo}.value"
    path.write_bytes(frame(leaves).tobytes())
    return Report(SiloName(silo), 1, "cpu", "", path)


def _merge(folder: Path, kinds: list[MergeKind | None], silos: dict[str, list[Any]]) -> list[Any]:
    merger = Merger(kinds, BlobStore(folder / "values", FilePool(folder / "spares", most=2)))
    try:
        reports = [_report(folder, name, leaves) for name, leaves in silos.items()]
        return merger.merge(reports, lambda a, b: [np.asarray(x - y) for x, y in zip(a, b, strict=True)])
    finally:
        merger.close()


def _random(seed: int, size: int = LARGE) -> Array:
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def test_a_sum_over_many_blocks_has_the_bits_of_a_fold_in_the_given_order(folder: Path) -> None:
    parts = [_random(seed) for seed in range(4)]
    (merged,) = _merge(folder, [MergeKind.SUM], {f"silo-{i}": [part] for i, part in enumerate(parts)})
    expected = ((parts[0] + parts[1]) + parts[2]) + parts[3]
    assert isinstance(merged, StoredArray)
    assert merged.tobytes() == expected.tobytes()


def test_the_order_of_silos_determines_the_last_bits(folder: Path) -> None:
    parts = {f"silo-{i}": [_random(i, 1000) * np.float32(10.0**i)] for i in range(4)}
    (forwards,) = _merge(folder, [MergeKind.SUM], parts)
    (backwards,) = _merge(folder, [MergeKind.SUM], dict(reversed(parts.items())))
    assert forwards.tobytes() != backwards.tobytes()
    assert np.allclose(forwards, backwards, rtol=1e-3)


def test_minima_maxima_integers_and_scalars(folder: Path) -> None:
    kinds: list[MergeKind | None] = [MergeKind.MINIMUM, MergeKind.MAXIMUM, MergeKind.SUM]
    silos: dict[str, list[Any]] = {
        "a": [np.array([1, 5], np.float32), np.float32(3), np.array([2**40], np.int64)],
        "b": [np.array([2, 4], np.float32), np.float32(7), np.array([1], np.int64)],
    }
    low, high, total = _merge(folder, kinds, silos)
    assert low.tolist() == [1, 4]
    assert (high.shape, high.item()) == ((), 7)
    assert total.tolist() == [2**40 + 1]


def test_a_leaf_without_elements_is_merged(folder: Path) -> None:
    (merged,) = _merge(
        folder, [MergeKind.SUM], {"a": [np.zeros((0, 3), np.float32)], "b": [np.zeros((0, 3), np.float32)]}
    )
    assert merged.shape == (0, 3)


@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_nan_and_infinity_in_a_sum_name_the_silos_that_sent_them(folder: Path, size: int, spoilt: float) -> None:
    bad = _random(2, size)
    bad[-1] = spoilt
    silos = {"a": [_random(1, size)], "b": [bad], "c": [_random(3, size)]}
    with pytest.raises(NotFiniteError) as raised:
        _merge(folder, [MergeKind.SUM], silos)
    assert raised.value.silos == ("b",)


def test_infinity_may_be_the_identity_of_a_minimum(folder: Path) -> None:
    (merged,) = _merge(
        folder, [MergeKind.MINIMUM], {"a": [np.array([np.inf], np.float32)], "b": [np.array([np.inf], np.float32)]}
    )
    assert np.isinf(merged[0])


def test_an_overflow_of_a_sum_of_finite_parts_names_no_silo(folder: Path) -> None:
    largest = np.finfo(np.float32).max
    (merged,) = _merge(
        folder, [MergeKind.SUM], {"a": [np.array([largest], np.float32)], "b": [np.array([largest], np.float32)]}
    )
    assert np.isinf(merged[0])


def test_a_leaf_of_unknown_kind_is_merged_by_the_plans_program_from_left_to_right(folder: Path) -> None:
    (merged,) = _merge(
        folder,
        [None],
        {"a": [np.array([10], np.float32)], "b": [np.array([3], np.float32)], "c": [np.array([2], np.float32)]},
    )
    assert merged.tolist() == [5]


def test_nan_is_found_in_leaves_of_unknown_kind(folder: Path) -> None:
    with pytest.raises(NotFiniteError) as raised:
        _merge(folder, [None], {"a": [np.array([np.nan], np.float32)], "b": [np.array([3], np.float32)]})
    assert raised.value.silos == ("a",)


def test_infinity_in_a_sum_is_named_even_if_another_leaf_has_an_unknown_kind(folder: Path) -> None:
    silos: dict[str, list[Any]] = {"a": [np.float32(1), np.float32(1)], "b": [np.float32(np.inf), np.float32(np.inf)]}
    with pytest.raises(NotFiniteError) as raised:
        _merge(folder, [MergeKind.SUM, None], silos)
    assert raised.value.silos == ("b",)
    assert _merge(folder, [MergeKind.MAXIMUM, None], silos)


def test_a_truncated_file_ends_the_merge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shortened(fd: int) -> list[TensorLayout]:
        found = layout(fd)
        (folder / "a.value").write_bytes(b"")
        return found

    monkeypatch.setattr("fedjobs_coordinator.aggregation.merging.layout", shortened)
    with pytest.raises(FedjobsError, match="ends at byte") as raised:
        _merge(folder, [MergeKind.SUM], {"a": [_random(1, 10)]})
    assert raised.value.code is ErrorCode.BLOB_CORRUPT


_MANY_REPORTS = """
import resource, sys
from pathlib import Path
import numpy as np
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import SiloName
from fedjobs_compute.plans import MergeKind
from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.merging import Merger
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_protocol.transfers.values import frame

folder, kinds = Path(sys.argv[1]), [MergeKind.SUM, None] if sys.argv[2] == "general" else [MergeKind.SUM] * 2
reports = []
for number in range(1100):
    path = folder / f"{number}.value"
    path.write_bytes(frame([np.array([number, 1], np.int64), np.array([number], np.int64)]).tobytes())
    reports.append(Report(SiloName(f"silo-{number}"), 1, "cpu", "", path))
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
merger = Merger(kinds, BlobStore(folder / "values", FilePool(folder / "spares", most=2)))
first, second = merger.merge(reports, lambda a, b: [x + y for x, y in zip(a, b)])
print(first.tolist(), second.tolist())
merger.close()
"""


@pytest.mark.parametrize("kind", ["elementwise", "general"])
def test_the_reports_of_more_silos_than_a_process_can_open_files_are_merged(folder: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MANY_REPORTS, str(folder), kind], capture_output=True, text=True, check=False
    )
    total = sum(range(1100))
    assert done.stdout == f"[{total}, 1100] [{total}]\n", done.stderr
