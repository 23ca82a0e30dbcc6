"""Which start of the coordinator this is. One at a time holds the folder; each start counts one up."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fedjobs_protocol.errors import ErrorCode, FedjobsError
from fedjobs_protocol.files import write_atomically
from fedjobs_protocol.ids import Epoch


class EpochLock:
    """Holds a coordinator's folder until the process ends, however it ends.

    Args:
        directory: The coordinator's folder.

    Raises:
        FedjobsError: ALREADY_RUNNING when another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory / "epoch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FedjobsError(
                ErrorCode.ALREADY_RUNNING,
                f"Another coordinator works in {directory}.",
                "Wait until it ends, or give this run a folder of its own.",
            ) from None
        path = directory / "epoch"
        self.epoch = Epoch(int(path.read_text()) + 1 if path.exists() else 1)
        write_atomically(path, str(self.epoch).encode(), durable=True)

    def release(self) -> None:
        """Lets another process have the folder."""
        os.close(self._descriptor)
