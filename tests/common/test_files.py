from __future__ import annotations

import errno
import os
import stat

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_all_at, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_atomically_and_no_other_file_is_left(tmp_path, durable):
    path = tmp_path / "status.json"
    write_atomically(path, b"one", durable=durable)
    write_atomically(path, b"two", durable=durable)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_readable_by_its_owner_only_by_default(tmp_path):
    write_atomically(tmp_path / "key", b"")
    write_atomically(tmp_path / "open", b"", mode=0o644)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("key", "open")]
    assert modes == [0o600, 0o644]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FedjobsError, match=r"status\.json") as raised:
        write_atomically(path, b"new")
    assert raised.value.code is ErrorCode.DISK_FULL
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_are_not_reported_as_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", b"")


def test_writing_at_an_offset_continues_after_a_short_write(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:3], offset))
    path = tmp_path / "file"
    with path.open("wb") as file:
        write_all_at(file.fileno(), b"0123456789", 2)
    assert path.read_bytes() == b"\0\0" + b"0123456789"
