from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_common.file_pool import FilePool
from fedjobs_coordinator.aggregation.blob_store import BlobStore, StoredArray, blob_of, stored_array
from fedjobs_protocol.transfers.layouts import encode
from fedjobs_protocol.transfers.values import frame, unframe

VALUES = np.arange(100_000, dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "values", FilePool(tmp_path / "spares", most=2))


def _store_values(store: BlobStore) -> StoredArray:
    header = encode([("0", VALUES.dtype, VALUES.shape, VALUES.nbytes)], {})
    writer = store.writer()
    writer.write(header)
    writer.write(VALUES.view(np.uint8).data)
    return stored_array(writer.finish(), VALUES.dtype, VALUES.shape, len(header))


def test_a_blob_has_the_digest_and_the_bytes_of_its_content(store: BlobStore) -> None:
    framed = frame([VALUES])
    blob = store.put(framed)
    assert blob.size == framed.size
    assert blob.digest == digests.digest(framed.tobytes())


def test_a_stored_array_is_an_array_whose_file_is_its_framed_value(store: BlobStore, tmp_path: Path) -> None:
    array = _store_values(store)
    assert np.array_equal(array, VALUES)
    (file,) = (tmp_path / "values").iterdir()
    (leaf,) = unframe(file.read_bytes())
    assert np.array_equal(np.asarray(leaf), VALUES)
    assert blob_of(array) is not None


def test_arrays_derived_from_a_stored_array_have_no_file(store: BlobStore) -> None:
    array = _store_values(store)
    for derived in (array + 1, array[1:], array.reshape(2, -1), array.copy()):
        assert blob_of(derived) is None


def test_a_stored_array_is_read_only(store: BlobStore) -> None:
    with pytest.raises(ValueError, match="read-only"):
        _store_values(store)[0] = 1


def test_the_file_of_an_unneeded_blob_is_reused_by_the_next(store: BlobStore, tmp_path: Path) -> None:
    array = _store_values(store)
    del array
    gc.collect()
    assert not list((tmp_path / "values").iterdir())
    assert len(list((tmp_path / "spares").iterdir())) == 1
    again = _store_values(store)
    assert not list((tmp_path / "spares").iterdir())
    assert np.array_equal(again, VALUES)


def test_a_view_prevents_the_reuse_of_its_file(store: BlobStore) -> None:
    view = _store_values(store)[10:20]
    gc.collect()
    store.put(frame([np.zeros_like(VALUES)]))
    assert np.array_equal(view, VALUES[10:20])


def test_a_blob_in_a_longer_spare_file_has_its_own_length(store: BlobStore) -> None:
    _store_values(store)
    gc.collect()
    blob = store.put(frame([VALUES[:10]]))
    assert blob.digest == digests.digest(frame([VALUES[:10]]).tobytes())


def test_files_that_an_earlier_process_left_become_spare(tmp_path: Path) -> None:
    (tmp_path / "values").mkdir()
    (tmp_path / "values" / "0").write_bytes(b"left behind")
    BlobStore(tmp_path / "values", FilePool(tmp_path / "spares", most=2))
    assert not list((tmp_path / "values").iterdir())
