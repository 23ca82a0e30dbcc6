"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError


def write_atomically(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Writes a file so that a reader, also one after a crash, finds the old content or the new, never a part.

    Args:
        path: In an existing folder.
        content: All of it.
        durable: Survives a loss of power, too (costs two fsyncs, about 0.2 ms on a local disk).
        mode: Permissions of the file, whatever the umask.

    Raises:
        FedjobsError: DISK_FULL.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with full_disk_named(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            try:
                os.fchmod(descriptor, mode)
                write_all(descriptor, content)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Writes everything at the current position: a single write may be short (a signal, a disk that fills up)."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def write_all_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    """Writes everything at `offset`, and leaves the current position alone."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@contextlib.contextmanager
def full_disk_named(path: Path | str) -> Iterator[None]:
    """Turns a full disk into an error of the catalogue that says which file did not fit."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FedjobsError(
            ErrorCode.DISK_FULL, f"The disk is full: {path} could not be written.", "Free space, or use a larger disk."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
