"""Further values of states, and states after a crash (see also test_durability)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_coordinator.state import checkpoints as checkpoints_module
from fedjobs_coordinator.state.checkpoints import Checkpoints
from fedjobs_coordinator.state.state_codec import pack, unpack
from fedjobs_protocol.transfers.values import SequenceValue


@pytest.mark.parametrize(
    ("value", "restored"),
    [
        (b"bytes", b"bytes"),
        (b"zero at the end\0", b"zero at the end\0"),
        ("text with \u00fc", "text with \u00fc".encode()),
        (True, True),
        (7, 7),
        (0.1, 0.1),
        (np.float32(0.1), np.float32(0.1)),
        (np.array(3, np.uint8), 3),
        (1 + 2j, 1 + 2j),
        ((), ()),
        ([], ()),
        (OrderedDict(), OrderedDict()),
        ([[], {"a": ()}], ((), OrderedDict(a=()))),
    ],
)
def test_a_scalar_or_an_empty_structure_is_restored(value: Any, restored: Any) -> None:
    assert unpack(pack(value)) == restored


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.array([[b"a", b"\xff\x00"], [b"", b"ccc"]], dtype=object),
        np.array([1 + 2j], np.complex64),
        np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::2],
        np.array([np.nan, -0.0, np.inf]),
        np.array([True, False]),
    ],
)
def test_an_array_is_restored_with_dtype_shape_and_bits(array: Any) -> None:
    (found,) = unpack(pack([array]))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tolist() == array.tolist() or np.array_equal(found, array, equal_nan=True)


def test_an_array_of_strings_is_restored_as_bytes() -> None:
    assert unpack(pack({"x": np.array(["a", "bc"])}))["x"].tolist() == [b"a", b"bc"]


def test_a_sequence_is_restored() -> None:
    restored = unpack(pack({"data": SequenceValue((np.arange(3),))}))["data"]
    assert restored.components[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [None, object(), [np.array([None])], {"x": {1, 2}}])
def test_an_unsupported_type_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be saved"):
        pack(value)


def test_a_truncated_structure_is_an_error() -> None:
    with pytest.raises(FedjobsError) as raised:
        unpack(pack([np.arange(100)])[:-1])
    assert raised.value.code is ErrorCode.BLOB_CORRUPT


def test_a_crash_while_a_state_is_written_leaves_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, [np.int64(1)])

    def crash(path: Path, content: bytes, **_: object) -> None:
        path.with_name(f".{path.name}.12345678.tmp").write_bytes(content[:10])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, "write_atomically", crash)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(2, [np.int64(2)])
    again = Checkpoints(tmp_path / "checkpoints")
    assert again.load() == (1, (1,))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_crash_before_old_states_are_removed_leaves_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, "_KEPT", 10)
        for version in (9, 10, 11):
            checkpoints.save(version, [np.int64(version)])
    again = Checkpoints(tmp_path / "checkpoints")
    assert again.load() == (11, (11,))
    again.save(12, [np.int64(12)])
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_if_all_states_are_corrupt_there_is_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, [np.int64(1)])
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(b"")
    assert checkpoints.load() is None
