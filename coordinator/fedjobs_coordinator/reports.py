"""Finished work on disk: uploads on their way, and reports that were taken over.

A report is kept until the state that it went into is durable. A coordinator that starts again in between finds it by
the identity of the work, and nobody has to do the work again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fedjobs_protocol.blobs import Upload, committed_in
from fedjobs_protocol.files import write_atomically
from fedjobs_protocol.ids import SiloName, WorkId
from fedjobs_protocol.spares import SpareFiles

_WORTH_SPARING = 1 << 20  # bytes


@dataclass(frozen=True)
class Report:
    """What one silo said of one piece of work.

    Attributes:
        silo: Whose.
        clients: Local clients in the accumulators; 0: there are none.
        device: That was used.
        seconds: That the runner took.
        digest: Of the framed accumulators, hex.
        path: The file with them; None without clients.
    """

    silo: SiloName
    clients: int
    device: str
    seconds: float
    digest: str
    path: Path | None


class ReportStore:
    """The folder of reports. All but `forget` is called in the event loop.

    Args:
        directory: A folder of its own.
        spares: Where large files come from, and go.
    """

    def __init__(self, directory: Path, spares: SpareFiles) -> None:
        self._directory = directory
        self._spares = spares
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._uploads: dict[WorkId, Upload] = {}
        self._finished: dict[WorkId, Report] = {}
        for path in directory.glob("*.json"):
            work_id = WorkId(path.stem)
            value = self._value_path(work_id)
            self._finished[work_id] = Report(**json.loads(path.read_text()), path=value if value.exists() else None)

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
        upload = self._uploads.get(work_id)
        if upload is None or upload.committed != upload.size or upload.digest != digest:
            return None
        upload.close()
        del self._uploads[work_id]
        return upload.path.rename(self._value_path(work_id))

    def write_inline(self, work_id: WorkId, value: bytes) -> Path:
        """Writes accumulators that came in the report itself."""
        path = self._value_path(work_id)
        path.write_bytes(value)
        return path

    def add(self, work_id: WorkId, report: Report) -> None:
        """Takes a report over; its file is complete."""
        entry = {key: value for key, value in asdict(report).items() if key != "path"}
        write_atomically(self._directory / f"{work_id}.json", json.dumps(entry).encode())
        self._finished[work_id] = report

    def forget(self, keep: frozenset[WorkId] = frozenset()) -> None:
        """Removes all reports and unfinished uploads but some: what they were for is durable."""
        for work_id in [w for w in self._finished if w not in keep]:
            (self._directory / f"{work_id}.json").unlink(missing_ok=True)
            if path := self._finished.pop(work_id).path:
                self._give_back(path)
        for work_id in [w for w in self._uploads if w not in keep]:
            self._uploads.pop(work_id).discard()

    def _give_back(self, path: Path) -> None:
        if path.stat().st_size < _WORTH_SPARING:
            path.unlink()
        else:
            self._spares.give(path)

    def _value_path(self, work_id: WorkId) -> Path:
        return self._directory / f"{work_id}.value"

    def _part_path(self, work_id: WorkId) -> Path:
        return self._directory / f"{work_id}.part"
