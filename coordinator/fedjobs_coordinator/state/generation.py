"""The coordinator's generation, and the lock of its folder. Each start increases the generation."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Generation


class GenerationLock:
    """Locks a coordinator's folder until the process exits or crashes.

    The lock is flock(2). It is reliable on a local disk, and on a volume that only one node mounts at a time. On a
    network file system, it works between nodes if the server keeps locks (NFS version 4 or later, CephFS, EFS). It does
    not work with NFS version 3 and `nolock`. A server may also release the lock of a node that does not respond for
    long although its process still runs. Then two coordinators run, and silos reject the one with the lower generation.

    Args:
        directory: The coordinator's folder.

    Raises:
        FedjobsError: ALREADY_RUNNING if another process holds the lock; UNAVAILABLE on a file system without locks.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory / "generation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FedjobsError(
                ErrorCode.ALREADY_RUNNING,
                f"Another coordinator uses the folder {directory}.",
                "Wait until it ends, or use another folder for this run.",
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"{directory} cannot be locked: {error.strerror}.",
                "Use a file system with locks: a local disk, or NFS version 4 or later.",
            ) from error
        path = directory / "generation"
        self.generation = Generation(int(path.read_text()) + 1 if path.exists() else 1)
        write_atomically(path, str(self.generation).encode(), durable=True)

    def release(self) -> None:
        """Releases the lock."""
        os.close(self._descriptor)
