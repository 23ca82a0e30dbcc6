"""Exports a result to any file system that fsspec supports.

An export can be repeated. Files that exist with the right size and digest are not written again. Written files are read
back to verify them. `result.json` is written last: if it exists, the result is complete, and `manifest.json` next to it
lists all files. The export first deletes the `result.json` of an earlier result at the same location.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import MANIFEST, ResultFile, ResultManifest
from fedjobs_common.retries import Report, while_progressing
from fsspec.implementations.local import LocalFileSystem

from fedjobs_coordinator.state.output_errors import explained, options_explained, refused

_LAST = "result.json"
_PIECE = 8 << 20  # bytes per read; each read is a call to an object store


@dataclass(frozen=True)
class _Piece:
    """A file to export, and its path on this machine."""

    file: ResultFile
    source: Path


class Output:
    """A location for results.

    Args:
        uri: The URI of a folder, or of a prefix in an object store. A folder is created if necessary. A bucket must
            exist.
        options_file: A JSON file with options of the file system, such as credentials.

    Raises:
        FedjobsError: INVALID_OUTPUT if the URI or the options are invalid. No connection is made yet.
    """

    def __init__(self, uri: str, options_file: Path | None = None) -> None:
        self.uri = uri
        options = _options(uri, options_file)
        # Disable caches, so that files of other processes are visible.
        fresh = {"skip_instance_cache": True, "use_listings_cache": False}
        with options_explained(uri):
            if fsspec.core.split_protocol(uri)[0] in (None, "file", "local"):
                options = {"auto_mkdir": True, **options}
            self._fs, root = fsspec.core.url_to_fs(uri, **options, **fresh)
        self._root = str(root).rstrip("/")

    def check(self, name: str) -> None:
        """Writes an empty file and deletes it, to find a wrong output before the program runs.

        Args:
            name: The name of the file.

        Raises:
            FedjobsError: INVALID_OUTPUT, or OUTPUT_UNAVAILABLE if a retry can help.
        """
        with explained(self.uri):
            self._prepare(name)
            self._fs.pipe_file(self._at(name), b"")
            with contextlib.suppress(PermissionError):  # write permission does not include delete permission
                self._fs.rm_file(self._at(name))

    def export(self, manifest: ResultManifest, folder: Path, on_wait: Report | None = None) -> None:
        """Copies a result and verifies the copy. It retries while it makes progress.

        A permanent error does not discard the result: a person may fix the cause, and the next coordinator retries.

        Args:
            manifest: The manifest of the result.
            folder: The folder of the result on this machine.
            on_wait: Called before each wait with the error and the seconds until the next attempt.

        Raises:
            FedjobsError: OUTPUT_UNAVAILABLE.
        """
        with _in_order(manifest, folder) as pieces:
            confirmed: set[str] = set()

            def bring_all() -> None:
                waiting = [p for p in pieces if p.file.path not in confirmed and not self._is_there(p.file)]
                if waiting:
                    self._remove(_LAST)
                confirmed.update(p.file.path for p in pieces if p not in waiting)
                for piece in waiting:
                    self._bring(piece)
                    confirmed.add(piece.file.path)

            try:
                while_progressing(lambda: len(confirmed), on_wait=on_wait)(bring_all)
            except FedjobsError as error:
                if error.code is not ErrorCode.INVALID_OUTPUT:
                    raise
                raise FedjobsError(ErrorCode.OUTPUT_UNAVAILABLE, error.message, error.remedy) from error

    def _bring(self, piece: _Piece) -> None:
        path = self._at(piece.file.path)
        with explained(self.uri):
            self._prepare(piece.file.path)
            self._fs.put_file(str(piece.source), path)
            if isinstance(self._fs, LocalFileSystem):
                _make_durable(Path(path))
            if not self._has(piece.file):
                raise FedjobsError(
                    ErrorCode.OUTPUT_UNAVAILABLE,
                    f"{piece.file.path} at {self.uri} differs from the written data.",
                    "Check whether another process writes to this location. The export is retried.",
                )

    def _is_there(self, file: ResultFile) -> bool:
        """Returns whether an earlier export wrote the file. False without read permission."""
        with explained(self.uri):
            try:
                return self._has(file)
            except PermissionError:
                return False

    def _has(self, file: ResultFile) -> bool:
        path, hasher = self._at(file.path), digests.hasher()
        try:
            if self._fs.info(path)["size"] != file.size:
                return False
            for start in range(0, file.size, _PIECE):
                hasher.update(self._fs.cat_file(path, start=start, end=min(start + _PIECE, file.size)))
        except FileNotFoundError:
            return False
        return hasher.hexdigest() == file.digest

    def _remove(self, name: str) -> None:
        with explained(self.uri), contextlib.suppress(FileNotFoundError, PermissionError):
            if self._fs.exists(self._at(name)):
                self._fs.rm_file(self._at(name))

    def _prepare(self, name: str) -> None:
        if isinstance(self._fs, LocalFileSystem):
            Path(self._at(name)).parent.mkdir(parents=True, exist_ok=True)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextlib.contextmanager
def _in_order(manifest: ResultManifest, folder: Path) -> Iterator[list[_Piece]]:
    """Provides the files in the order of the export: `manifest.json` after the other files, then `result.json`."""
    content = manifest.to_json()
    listed = ResultFile(path=MANIFEST, size=len(content), digest=digests.digest(content))
    with tempfile.TemporaryDirectory() as own:
        written = Path(own) / MANIFEST
        written.write_bytes(content)
        files = [_Piece(file, folder / file.path) for file in manifest.files]
        ordered = sorted([*files, _Piece(listed, written)], key=lambda piece: _rank(piece.file.path))
        yield ordered


def _rank(path: str) -> int:
    return {MANIFEST: 1, _LAST: 2}.get(path, 0)


def _options(uri: str, path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        options = json.loads(path.read_bytes())
    except OSError as error:
        raise refused(uri, f"its options cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise refused(uri, f"its options are not valid JSON: {error}.") from error
    if not isinstance(options, dict):
        raise refused(uri, "its options are not a JSON object.")
    return options


def _make_durable(path: Path) -> None:
    for each, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(each, flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
