"""Atomic writes of files that only their owner can read, and a lock between processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes | str) -> Path:
    """Replaces the content of the file atomically, and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_bytes(content.encode() if isinstance(content, str) else content)
    return scratch.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for the lock of this file, and holds it until the block or the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same_file(path, file.fileno()):
                continue  # its last holder removed the file, and later processes lock another file
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
