"""A file of JSON lines, each with the hash of the line before it.

`previous` is the BLAKE3 digest of the line before, as it stands in the file, without its newline; of the first line it
is 64 zeros. Who changes, takes out or puts in a line has to write all later ones anew: note the last hash somewhere
else from time to time, and such a change shows too, as does the loss of the last lines.
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
"""What the first line has as the hash of the line before it."""
_TAIL = 64 * 1024  # bytes that are read at a time to find the last line


class AuditChain:
    """Appends to a chain. Several processes may append to the same one.

    Args:
        path: Made if it does not exist; readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()  # the file's lock is the process's: it does not tell threads apart
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, entry: Entry, *, durable: bool = True) -> Entry:
        """Appends an entry.

        Args:
            entry: Without `previous`.
            durable: It is on the disk when this returns, and all before it; else a loss of power may lose it.

        Returns:
            The entry as it was written, with `previous`.

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
        """The last whole line. What a process left behind that died while it wrote was never answered for: it goes."""
        size = start = os.fstat(self._fd).st_size
        tail = b""
        while start > 0 and tail.rstrip(b"\n").count(b"\n") < 2:  # one may be torn
            length = min(_TAIL, start)
            start -= length
            tail = os.pread(self._fd, length, start) + tail
        whole, newline, torn = tail.rpartition(b"\n")
        if torn:
            os.ftruncate(self._fd, size - len(torn))
        return whole.rpartition(b"\n")[2] if newline else b""


def hash_of(line: bytes) -> str:
    """What the line after this one has as `previous`; of no line, the one of the first."""
    return str(digests.digest(line)) if line else NOTHING


@dataclass(frozen=True)
class Verified:
    """A chain without a gap.

    Attributes:
        entries: How many.
        last: The hash of the last line, to be noted elsewhere.
    """

    entries: int
    last: str


@dataclass(frozen=True)
class Broken:
    """Where a chain does not hold together.

    Attributes:
        line: From 1.
        message: What is wrong there.
    """

    line: int
    message: str


def verify(lines: Iterator[bytes], last: str | None = None) -> Verified | Broken:
    """Whether each line names the hash of the one before it.

    Args:
        lines: Of the file, with their newlines.
        last: A hash that was noted earlier: one of the lines must have it.
    """
    before, count, found = NOTHING, 0, last is None or last == NOTHING
    for count, line in enumerate(lines, 1):
        content = line.removesuffix(b"\n")
        if content == line:
            return Broken(count, "it is not whole: who wrote it died, or it was cut")
        named = _previous(content)
        if named is None:
            return Broken(count, "it is not an entry of an audit log")
        if named != before:
            earlier = f"line {count - 1} was changed" if count > 1 else "it was not the first one"
            return Broken(count, f"it names another line before it: {earlier}, or lines were taken out or put in")
        before = hash_of(content)
        found = found or before == last
    if not found:
        return Broken(count, f"no line has the hash {last}: lines were taken out, or written anew")
    return Verified(count, before)


def entries(path: Path) -> Iterator[Entry]:
    """All whole entries of a file, in their order; those that cannot be read are left out.

    Raises:
        FedjobsError: UNAVAILABLE where there is no such file.
    """
    for line in raw_lines(path):
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def raw_lines(path: Path) -> Iterator[bytes]:
    """The file's lines, with their newlines.

    Raises:
        FedjobsError: UNAVAILABLE where there is no such file.
    """
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"The audit log {path} cannot be read: {error.strerror}.",
            "Name the silo's audit log.",
        ) from error


def _previous(content: bytes) -> str | None:
    try:
        named = json.loads(content)["previous"]
    except (ValueError, TypeError, KeyError):
        return None
    return named if isinstance(named, str) else None
