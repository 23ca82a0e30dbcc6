"""Stores uploads and accepted reports on disk.

A report is kept until the state that includes it is durable. A coordinator that restarts before that finds the report
by the identity of its work, so that the silo need not run the work again. If a program never saves a state, only the
reports of its last invocations are kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.chunks import read_chunks
from fedjobs_common.file_pool import FilePool
from fedjobs_common.files import full_disk_named, write_atomically
from fedjobs_common.ids import WorkId
from fedjobs_protocol.transfers.blobs import Upload, committed_in

from fedjobs_coordinator.aggregation.outcomes import Report

_WORTH_SPARING = 1 << 20  # bytes; smaller files are deleted, not pooled


class ReportStore:
    """The folder of reports. Used in the event loop.

    Args:
        directory: A folder for this store only.
        spares: The pool that provides and takes back large files.
        resumable: Whether another process can continue from this folder. If not, reports are kept in memory only.
    """

    def __init__(self, directory: Path, spares: FilePool, *, resumable: bool = True) -> None:
        self._directory = directory
        self._resumable = resumable
        self._spares = spares
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._uploads: dict[WorkId, Upload] = {}
        self._finished: dict[WorkId, Report] = {}
        self._numbers: dict[WorkId, int] = {}
        self._take_over()
        self._left_behind_by: tuple[int, set[str]] = (max(self._numbers.values(), default=0), self._stems())
        """The highest invocation of an earlier process, and the names of the files that it left."""

    def find(self, work_id: WorkId) -> Report | None:
        """Returns the report of this work, including one from before a restart."""
        return self._finished.get(work_id)

    def upload(self, work_id: WorkId, size: int, number: int = 0) -> Upload:
        """Returns the upload of this work's accumulators, the same object for each call.

        Args:
            work_id: The identity of the work.
            size: The size of the accumulators in bytes.
            number: The number of the invocation, see `drop_before`.
        """
        self._numbers[work_id] = number
        found = self._uploads.get(work_id)
        if found is None or found.size != size:
            if found is not None:
                found.discard()
            found = self._uploads[work_id] = Upload(self._part_path(work_id), size, self._spares)
        return found

    def committed(self, work_id: WorkId) -> int:
        """Returns how many bytes of the upload have arrived."""
        if found := self._uploads.get(work_id):
            return found.committed
        return committed_in(self._part_path(work_id))

    def take_upload(self, work_id: WorkId, digest: str) -> Path | None:
        """Returns the file of a complete upload with this digest. None if there is none."""
        upload = self._uploads.get(work_id) or self._left_behind(work_id)
        if upload is None:  # a process may have taken it, and then died or found the disk full
            value = self._value_path(work_id)
            return value if value.exists() and _digest_of(value) == digest else None
        if upload.committed != upload.size or upload.digest != digest:
            if work_id not in self._uploads:
                upload.close()
            return None
        upload.finish(digests.raw(upload.digest))  # truncates a spare file if the silo did not end the upload
        upload.close()
        self._uploads.pop(work_id, None)
        return upload.path.rename(self._value_path(work_id))

    def write_inline(self, work_id: WorkId, value: bytes) -> Path:
        """Writes accumulators that were sent inside the report.

        Raises:
            FedjobsError: DISK_FULL.
        """
        path = self._value_path(work_id)
        with full_disk_named(path):
            path.write_bytes(value)  # after a partial write, the digest does not match the report
        return path

    def add(self, work_id: WorkId, report: Report, number: int = 0) -> None:
        """Accepts a report. Its file must be complete.

        Args:
            work_id: The identity of the work.
            report: The report.
            number: The number of the invocation, see `drop_before`.
        """
        if self._resumable:
            entry = {key: value for key, value in asdict(report).items() if key != "path"}
            write_atomically(self._directory / f"{work_id}.json", json.dumps(entry | {"number": number}).encode())
        self._numbers[work_id] = number
        self._finished[work_id] = report

    def drop_before(self, number: int) -> None:
        """Deletes the reports and uploads of the invocations before `number`, counted since the last durable state."""
        old = {work_id for work_id, found in self._numbers.items() if found < number}
        for work_id in old:
            self._drop(work_id)
        last, stems = self._left_behind_by
        if number > last and stems:  # an earlier process did not get further than `last`
            self._left_behind_by = (0, set())
            for path in self._directory.iterdir():
                if (stem := _stem(path)) in stems and stem not in self._numbers:
                    self._give_back(path)

    def forget(self, keep: frozenset[WorkId] = frozenset()) -> None:
        """Deletes all reports and uploads except `keep`, because the state that includes them is durable."""
        for work_id in [w for w in {*self._finished, *self._uploads, *self._numbers} if w not in keep]:
            self._drop(work_id)
        for path in self._directory.iterdir():
            # Files of an earlier process: abandoned uploads, and values whose report was not accepted.
            if _stem(path) not in keep:
                self._give_back(path)

    def _drop(self, work_id: WorkId) -> None:
        self._numbers.pop(work_id, None)
        (self._directory / f"{work_id}.json").unlink(missing_ok=True)
        if (report := self._finished.pop(work_id, None)) and report.path:
            self._give_back(report.path)
        if upload := self._uploads.pop(work_id, None):
            upload.discard()

    def _stems(self) -> set[str]:
        return {_stem(path) for path in self._directory.iterdir()}

    def _take_over(self) -> None:
        """Loads the reports of an earlier process. It ignores reports whose files a power failure has damaged."""
        for path in self._directory.glob("*.json"):
            work_id = WorkId(path.stem)
            try:
                entry = json.loads(path.read_bytes())
                number = int(entry.pop("number", 0))
                report = Report(**entry, path=None)
            except (ValueError, TypeError, AttributeError):
                continue
            if report.clients:
                value = self._value_path(work_id)
                if not value.exists() or _digest_of(value) != report.digest:
                    continue
                report = replace(report, path=value)
            self._finished[work_id] = report
            self._numbers[work_id] = number

    def _left_behind(self, work_id: WorkId) -> Upload | None:
        """Returns an upload from before a restart that was not opened since."""
        part = self._part_path(work_id)
        return Upload(part, committed_in(part), self._spares) if part.exists() else None

    def _give_back(self, path: Path) -> None:
        if path.stat().st_size < _WORTH_SPARING:
            path.unlink()
        else:
            self._spares.give(path)

    def _value_path(self, work_id: WorkId) -> Path:
        return self._directory / f"{work_id}.value"

    def _part_path(self, work_id: WorkId) -> Path:
        return self._directory / f"{work_id}.part"


def _stem(path: Path) -> str:
    """Returns the identity of the work that a file belongs to."""
    return path.name.lstrip(".").partition(".")[0]


def _digest_of(path: Path) -> str:
    hasher = digests.hasher()
    with path.open("rb") as file:
        for chunk in read_chunks(file.fileno(), 0, path.stat().st_size):
            hasher.update(chunk)
    return hasher.hexdigest()
