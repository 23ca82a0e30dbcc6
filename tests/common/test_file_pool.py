from __future__ import annotations

import pytest
from fedjobs_common.file_pool import FilePool


@pytest.fixture
def old(tmp_path):
    def made(name="old"):
        path = tmp_path / name
        path.write_bytes(name.encode())
        return path

    return made


def test_a_file_in_the_pool_is_used_once(tmp_path, old):
    spares = FilePool(tmp_path / "spares", most=2)
    spares.give(old())
    target = tmp_path / "new"
    assert spares.take(target)
    assert target.read_bytes() == b"old"
    assert not spares.take(tmp_path / "other")


def test_excess_files_are_deleted(tmp_path, old):
    spares = FilePool(tmp_path / "spares", most=1)
    for name in ("one", "two"):
        spares.give(old(name))
    assert len(list((tmp_path / "spares").iterdir())) == 1
    assert not (tmp_path / "two").exists()


def test_files_of_an_earlier_process_are_reused(tmp_path, old):
    FilePool(tmp_path / "spares", most=2).give(old("one"))
    spares = FilePool(tmp_path / "spares", most=2)
    spares.give(old("two"))
    targets = [tmp_path / "a", tmp_path / "b"]
    assert [spares.take(target) for target in targets] == [True, True]
    assert {target.read_bytes() for target in targets} == {b"one", b"two"}
