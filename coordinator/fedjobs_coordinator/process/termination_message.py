"""What a coordinator's process leaves behind: its container's termination message."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from fedjobs_common.files import write_all
from fedjobs_common.jobs.statuses import FinalWord

_LOG = structlog.get_logger()


class TerminationMessage:
    """A file that is there already where Kubernetes mounts one: it can be written to, and not replaced.

    Args:
        path: Of the file; None: there is nobody to tell.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None and path.exists():
            self._write(b"")  # an earlier process's: one that crashes has no final word

    def write(self, word: FinalWord) -> None:
        """Leaves a final word; a file that cannot be written is logged, since nothing else can be done about it."""
        self._write(word.to_json())

    def _write(self, content: bytes) -> None:
        if self._path is None:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                write_all(descriptor, content)  # as few bytes as these are written at once
            finally:
                os.close(descriptor)
        except OSError as error:
            _LOG.warning("the termination message could not be written", path=str(self._path), error=str(error))
