"""Finished work on disk: uploads on their way, and reports that were taken over.

A report is kept until the state that it went into is durable. A coordinator that starts again in between finds it by
the identity of the work, and nobody has to do the work again.
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

_WORTH_SPARING = 1 << 20  # bytes


class ReportStore:
    """The folder of reports. All but `forget` is called in the event loop.

    Args:
        directory: A folder of its own.
        spares: Where large files come from, and go.
        resumable: Whether another process may go on from here; without it no report is noted on the disk.
    """

    def __init__(self, directory: Path, spares: FilePool, *, resumable: bool = True) -> None:
        self._directory = directory
        self._resumable = resumable
        self._spares = spares
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._uploads: dict[WorkId, Upload] = {}
        self._finished: dict[WorkId, Report] = {}
        self._take_over()

    def find(self, work_id: WorkId) -> Report | None:
        """The report of this work, also one from before a restart."""
        return self._finished.get(work_id)

    def upload(self, work_id: WorkId, size: int) -> Upload:
        """The upload of this work's accumulators: the same one, however often it is opened."""
        found = self._uploads.get(work_id)
        if found is None or found.size != size:
            if found is not None:
                found.discard()
            found = self._uploads[work_id] = Upload(self._part_path(work_id), size, self._spares)
        return found

    def committed(self, work_id: WorkId) -> int:
        """Bytes of the upload that have arrived."""
        if found := self._uploads.get(work_id):
            return found.committed
        return committed_in(self._part_path(work_id))

    def take_upload(self, work_id: WorkId, digest: str) -> Path | None:
        """The file of a finished upload of this digest; None when there is none."""
        upload = self._uploads.get(work_id) or self._left_behind(work_id)
        if upload is None:  # it may have been taken before, by a process that died, or found the disk full, in between
            value = self._value_path(work_id)
            return value if value.exists() and _digest_of(value) == digest else None
        if upload.committed != upload.size or upload.digest != digest:
            if work_id not in self._uploads:
                upload.close()
            return None
        upload.finish(digests.raw(upload.digest))  # a spare file is longer, should the silo not have ended the upload
        upload.close()
        self._uploads.pop(work_id, None)
        return upload.path.rename(self._value_path(work_id))

    def write_inline(self, work_id: WorkId, value: bytes) -> Path:
        """Writes accumulators that came in the report itself.

        Raises:
            FedjobsError: DISK_FULL.
        """
        path = self._value_path(work_id)
        with full_disk_named(path):
            path.write_bytes(value)  # a torn one does not have the digest that its report says
        return path

    def add(self, work_id: WorkId, report: Report) -> None:
        """Takes a report over; its file is complete."""
        if self._resumable:
            entry = {key: value for key, value in asdict(report).items() if key != "path"}
            write_atomically(self._directory / f"{work_id}.json", json.dumps(entry).encode())
        self._finished[work_id] = report

    def forget(self, keep: frozenset[WorkId] = frozenset()) -> None:
        """Removes all reports and uploads but some: what they were for is durable."""
        for work_id in [w for w in self._finished if w not in keep]:
            (self._directory / f"{work_id}.json").unlink(missing_ok=True)
            if path := self._finished.pop(work_id).path:
                self._give_back(path)
        for work_id in [w for w in self._uploads if w not in keep]:
            self._uploads.pop(work_id).discard()
        for path in self._directory.iterdir():
            # Of an earlier process: an upload that nobody went on with, a value whose report was not taken over.
            if path.name.partition(".")[0] not in keep:
                self._give_back(path)

    def _take_over(self) -> None:
        """Finds the reports of an earlier process; one whose file a loss of power spoilt is as if it never came."""
        for path in self._directory.glob("*.json"):
            work_id = WorkId(path.stem)
            try:
                report = Report(**json.loads(path.read_bytes()), path=None)
            except (ValueError, TypeError):
                continue
            if report.clients:
                value = self._value_path(work_id)
                if not value.exists() or _digest_of(value) != report.digest:
                    continue
                report = replace(report, path=value)
            self._finished[work_id] = report

    def _left_behind(self, work_id: WorkId) -> Upload | None:
        """An upload that was finished before a restart, and that nobody has opened since."""
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


def _digest_of(path: Path) -> str:
    hasher = digests.hasher()
    with path.open("rb") as file:
        for chunk in read_chunks(file.fileno(), 0, path.stat().st_size):
            hasher.update(chunk)
    return hasher.hexdigest()
