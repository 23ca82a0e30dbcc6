"""Writes files atomically, and reports a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError


def write_atomically(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Writes a file atomically. Readers see the old or the new content, never a part of it, even after a crash.

    Args:
        path: The file. Its folder must exist.
        content: The whole content.
        durable: Whether the file must survive a power failure. This needs two fsyncs, about 0.2 ms on a local disk.
        mode: The permissions of the file, independent of the umask.

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
    """Writes all bytes at the current position. A single `write` can be short after a signal or on a full disk."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def write_all_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    """Writes all bytes at `offset`, without changing the current position."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@contextlib.contextmanager
def full_disk_named(path: Path | str) -> Iterator[None]:
    """Converts the error of a full disk to DISK_FULL, with the name of the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FedjobsError(
            ErrorCode.DISK_FULL, f"The disk is full: cannot write {path}.", "Free some space, or use a larger disk."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
