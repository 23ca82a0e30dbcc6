"""A hash chain: a file of JSON lines, each with the hash of the previous line.

`previous` is the BLAKE3 digest of the previous line without its newline, or 64 zeros in the first line. Changing,
removing or inserting a line invalidates the chain, unless all later lines are rewritten too. To detect a rewritten or
truncated file, keep the last hash in another place from time to time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import full_disk_named, write_all

Entry = dict[str, Any]

NOTHING = "0" * 64
"""The value of `previous` in the first line."""
_TAIL = 64 * 1024  # bytes to read at a time when searching for the last line


class AuditChain:
    """Appends to a chain. Several processes may append to the same file.

    Args:
        path: The path of the file. It is created if it does not exist, and only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()  # the lock of the file does not exclude other threads of this process
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, entry: Entry, *, durable: bool = True) -> Entry:
        """Appends an entry.

        Args:
            entry: The entry without `previous`.
            durable: Whether to sync the file to disk before returning. Otherwise, a power failure may lose the entry.

        Returns:
            The written entry, with `previous`.

        Raises:
            FedjobsError: DISK_FULL.
        """
        with self._locked(), full_disk_named(self._path):
            written = entry | {"previous": hash_of(self._last_line())}
            write_all(self._fd, json.dumps(written).encode() + b"\n")
            if durable:
                os.fdatasync(self._fd)
        return written

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _last_line(self) -> bytes:
        """Returns the last complete line. Removes an incomplete line, which a process left that died while writing."""
        size = start = os.fstat(self._fd).st_size
        tail = b""
        while start > 0 and tail.rstrip(b"\n").count(b"\n") < 2:  # the last one may be incomplete
            length = min(_TAIL, start)
            start -= length
            tail = os.pread(self._fd, length, start) + tail
        whole, newline, torn = tail.rpartition(b"\n")
        if torn:
            os.ftruncate(self._fd, size - len(torn))
        return whole.rpartition(b"\n")[2] if newline else b""


def hash_of(line: bytes) -> str:
    """Returns the value of `previous` for the line after this one. An empty line stands for the start of the file."""
    return str(digests.digest(line)) if line else NOTHING


@dataclass(frozen=True)
class Verified:
    """A valid chain.

    Attributes:
        entries: The number of entries.
        last: The hash of the last line, to keep in another place.
    """

    entries: int
    last: str


@dataclass(frozen=True)
class Broken:
    """An invalid chain.

    Attributes:
        line: The number of the first invalid line, starting at 1.
        message: What is wrong with the line.
    """

    line: int
    message: str


def verify(lines: Iterator[bytes], last: str | None = None) -> Verified | Broken:
    """Checks that each line has the hash of the previous line.

    Args:
        lines: The lines of the file, with their newlines.
        last: The last hash of an earlier check. One of the lines must have it.
    """
    before, count, found = NOTHING, 0, last is None or last == NOTHING
    for count, line in enumerate(lines, 1):
        content = line.removesuffix(b"\n")
        if content == line:
            return Broken(count, "the line is incomplete: its writer died, or the file was truncated")
        named = _previous(content)
        if named is None:
            return Broken(count, "the line is not an entry of an audit log")
        if named != before:
            earlier = f"line {count - 1} was changed" if count > 1 else "it was not the first line"
            return Broken(
                count, f"its hash of the previous line is wrong: {earlier}, or lines were removed or inserted"
            )
        before = hash_of(content)
        found = found or before == last
    if not found:
        return Broken(count, f"no line has the hash {last}: lines were removed or rewritten")
    return Verified(count, before)


def entries(path: Path) -> Iterator[Entry]:
    """Yields the entries of a file in order. Skips unreadable lines.

    Raises:
        FedjobsError: UNAVAILABLE if the file cannot be read.
    """
    for line in raw_lines(path):
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def raw_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file, with their newlines.

    Raises:
        FedjobsError: UNAVAILABLE if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"The audit log {path} cannot be read: {error.strerror}.",
            "Give the path of the silo's audit log.",
        ) from error


def _previous(content: bytes) -> str | None:
    try:
        named = json.loads(content)["previous"]
    except (ValueError, TypeError, KeyError):
        return None
    return named if isinstance(named, str) else None
