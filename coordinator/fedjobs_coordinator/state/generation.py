"""Which start of the coordinator this is. One at a time holds the folder; each start counts one up."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.ids import Generation


class GenerationLock:
    """Holds a coordinator's folder until the process ends, however it ends.

    The lock is flock(2)'s. On a disk of one machine, and on a volume that one node at a time mounts, it holds always.
    On a network file system it holds between nodes where the server keeps locks (NFS from version 4 on, CephFS, EFS),
    and not with NFS version 3 mounted with `nolock`. A server may also give up the lock of a node that it has not heard
    of for long, whose process goes on: then two coordinators run, and the silos refuse the one of the lower generation.

    Args:
        directory: The coordinator's folder.

    Raises:
        FedjobsError: ALREADY_RUNNING when another process holds it; UNAVAILABLE on a file system without locks.
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
        except OSError as error:
            os.close(self._descriptor)
            raise FedjobsError(
                ErrorCode.UNAVAILABLE,
                f"{directory} cannot be locked: {error.strerror}.",
                "Use a file system with locks: a local disk, or NFS from version 4 on.",
            ) from error
        path = directory / "epoch"
        self.generation = Generation(int(path.read_text()) + 1 if path.exists() else 1)
        write_atomically(path, str(self.generation).encode(), durable=True)

    def release(self) -> None:
        """Lets another process have the folder."""
        os.close(self._descriptor)
