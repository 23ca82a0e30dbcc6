"""The folder of reports after crashes and after a durable state."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common import digests
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import WorkId
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_coordinator.aggregation.report_store import ReportStore

from .builders import ALICE, OTHER_WORK, WORK

LARGE = bytes(range(256)) * (8 << 10)  # 2 MiB: large enough to be kept as a spare file
DIGEST = digests.digest(LARGE)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.reports = folder / "reports"
        self.spares = folder / "spares"
        self._folder = folder

    def store(self) -> ReportStore:
        """Opens the store as a new process does."""
        return ReportStore(self.reports, FilePool(self.spares, most=2))

    def names(self) -> list[str]:
        return sorted(path.name.replace(WORK, "work") for path in self.reports.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> _Folder:
    return _Folder(tmp_path)


def _upload(store: ReportStore, content: bytes = LARGE, work_id: WorkId = WORK, *, ended: bool = True) -> None:
    upload = store.upload(work_id, len(content))
    upload.write(content)
    if ended:
        assert upload.finish(digests.raw(digests.digest(content)))


def _accept_upload(store: ReportStore, content: bytes = LARGE) -> Path:
    _upload(store, content)
    path = store.take_upload(WORK, digests.digest(content))
    assert path is not None
    store.add(WORK, Report(ALICE, 1, "cpu", digests.digest(content), path))
    return path


def test_a_complete_upload_becomes_a_report_after_a_restart_without_being_opened_again(folder: _Folder) -> None:
    _upload(folder.store())
    path = folder.store().take_upload(WORK, DIGEST)
    assert path is not None
    assert path.read_bytes() == LARGE


def test_a_partial_upload_is_not_complete_and_stays(folder: _Folder) -> None:
    folder.store().upload(WORK, len(LARGE)).write(LARGE[:1000])
    again = folder.store()
    assert again.take_upload(WORK, DIGEST) is None
    assert again.upload(WORK, len(LARGE)).committed == 1000


def test_an_upload_in_a_spare_file_has_its_own_length_even_if_it_was_not_finished(folder: _Folder) -> None:
    store = folder.store()
    _accept_upload(store, LARGE + b"of an earlier round")
    store.forget()
    assert len(list(folder.spares.iterdir())) == 1
    _upload(store, ended=False)
    path = store.take_upload(WORK, DIGEST)
    assert path is not None
    assert path.read_bytes() == LARGE
    assert folder.names() == ["work.value"]


def test_a_missing_upload_cannot_be_used(folder: _Folder) -> None:
    assert folder.store().take_upload(WORK, digests.digest(b"")) is None


def test_an_upload_that_was_used_before_a_crash_can_be_used_again(folder: _Folder) -> None:
    store = folder.store()
    _upload(store)
    path = store.take_upload(WORK, DIGEST)
    again = folder.store()
    assert again.take_upload(WORK, digests.digest(b"another")) is None
    assert again.take_upload(WORK, DIGEST) == path


def test_durable_reports_are_deleted_and_large_files_become_spare(folder: _Folder) -> None:
    store = folder.store()
    _accept_upload(store)
    _upload(store, LARGE[:5000], OTHER_WORK)
    store.forget()
    assert folder.names() == []
    assert store.find(WORK) is None
    assert 1 <= len(list(folder.spares.iterdir())) <= 2


def test_reports_that_are_still_needed_are_kept(folder: _Folder) -> None:
    store = folder.store()
    path = _accept_upload(store)
    _upload(store, b"few", OTHER_WORK)
    store.forget(keep=frozenset({WORK}))
    assert store.find(WORK) is not None
    assert path.read_bytes() == LARGE
    assert folder.names() == ["work.json", "work.value"]


def test_unfinished_uploads_of_an_earlier_process_are_deleted_with_the_durable_state(folder: _Folder) -> None:
    store = folder.store()
    _upload(store)
    store.take_upload(WORK, DIGEST)  # and the process died before it added the report
    _upload(store, LARGE[:1000], OTHER_WORK, ended=False)
    (folder.reports / f".{WORK}.json.12345678.tmp").write_bytes(b"half")
    again = folder.store()
    assert again.find(WORK) is None
    again.forget()
    assert folder.names() == []


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b'{"unknown": 1}', b"\xff"])
def test_a_report_that_a_power_loss_corrupted_is_ignored(folder: _Folder, spoilt: bytes) -> None:
    _accept_upload(folder.store())
    (folder.reports / f"{WORK}.json").write_bytes(spoilt)
    again = folder.store()
    assert again.find(WORK) is None
    _accept_upload(again)
    assert folder.store().find(WORK) is not None


@pytest.mark.parametrize("spoilt", [None, b"", LARGE[:-1], LARGE[:-1] + b"x"], ids=["gone", "empty", "short", "other"])
def test_a_report_whose_accumulators_a_power_loss_corrupted_is_ignored(folder: _Folder, spoilt: bytes | None) -> None:
    value = _accept_upload(folder.store())
    value.unlink()
    if spoilt is not None:
        value.write_bytes(spoilt)
    assert folder.store().find(WORK) is None


def _accept(store: ReportStore, number: int) -> WorkId:
    """Accepts the report of the invocation with this number."""
    work_id = WorkId(f"{number:064x}")
    _upload(store, work_id=work_id)
    path = store.take_upload(work_id, DIGEST)
    assert path is not None
    store.add(work_id, Report(ALICE, 1, "cpu", DIGEST, path), number)
    return work_id


def _bytes(folder: _Folder) -> int:
    return sum(path.stat().st_size for place in (folder.reports, folder.spares) for path in place.iterdir())


def test_the_disk_is_bounded_if_no_state_is_ever_saved(folder: _Folder) -> None:
    store, sizes = folder.store(), []
    for number in range(1, 11):
        _accept(store, number)
        store.drop_before(number - 1)
        sizes.append(_bytes(folder))
    assert max(sizes) <= 4 * len(LARGE) + 4096  # two reports and two spare files
    assert max(sizes[4:]) - min(sizes[4:]) < 100


def test_the_reports_of_the_last_invocations_are_found_after_a_restart(folder: _Folder) -> None:
    store = folder.store()
    ids = [_accept(store, number) for number in (1, 2, 3)]
    store.drop_before(2)
    again = folder.store()
    assert [again.find(work_id) is not None for work_id in ids] == [False, True, True]
    again.drop_before(3)
    assert [again.find(work_id) is not None for work_id in ids] == [False, False, True]


def test_partial_uploads_of_old_invocations_are_dropped_also_after_a_restart(folder: _Folder) -> None:
    store = folder.store()
    store.upload(OTHER_WORK, len(LARGE), 1).write(LARGE[:1000])
    store.drop_before(2)
    assert folder.names() == []
    store.upload(OTHER_WORK, len(LARGE), 2).write(LARGE[:1000])
    _accept(store, 2)
    again = folder.store()
    again.drop_before(2)
    assert len(folder.names()) >= 3
    again.drop_before(3)
    assert folder.names() == []
