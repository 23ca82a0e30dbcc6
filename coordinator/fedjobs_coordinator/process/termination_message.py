"""Writes the termination message of the coordinator's container."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from fedjobs_common.files import write_all
from fedjobs_common.jobs.statuses import FinalWord

_LOG = structlog.get_logger()


class TerminationMessage:
    """The file of the termination message. Kubernetes mounts it, so it must be overwritten and not replaced.

    Args:
        path: The file. None disables the message.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None and path.exists():
            self._write(b"")  # clear the message of an earlier process, because a crash leaves no final word

    def write(self, word: FinalWord) -> None:
        """Writes a final word. A failure is only logged, because the process is about to exit."""
        self._write(word.to_json())

    def _write(self, content: bytes) -> None:
        if self._path is None:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                write_all(descriptor, content)
            finally:
                os.close(descriptor)
        except OSError as error:
            _LOG.warning("the termination message could not be written", path=str(self._path), error=str(error))
