"""A hash chain: a file of JSON lines, each with the hash of the previous line.

`previous` is the BLAKE3 digest of the previous line without its newline, or 64 zeros in the first line. `sequence` is
the number of the line, starting at 1. Changing, removing or inserting a line invalidates the chain, unless all later
lines are rewritten too. To detect a rewritten or truncated file, keep an anchor in another place from time to time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
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
_ANCHOR = re.compile(r"([0-9a-f]{64}):([0-9]{1,15})")


class AuditChain:
    """Appends to a chain. Several processes may append to the same file.

    Args:
        path: The path of the file. It is created if it does not exist, and only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # the lock of the file does not exclude other threads of this process
        with _errors_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, entry: Entry, *, durable: bool = True) -> Entry:
        """Appends an entry. Either the whole line is written, or none of it.

        Args:
            entry: The entry without `sequence` and `previous`.
            durable: Whether to sync the file to disk before returning. Otherwise, a power failure may lose the entry.

        Returns:
            The written entry, with `sequence` and `previous`.

        Raises:
            FedjobsError: DISK_FULL, or UNAVAILABLE if the file cannot be written for another reason.
        """
        with self._locked(), _errors_named(self._path):
            last, size = self._last_line()
            written = entry | {"sequence": self._sequence_of(last) + 1, "previous": hash_of(last)}
            try:
                write_all(self._fd, json.dumps(written).encode() + b"\n")
                if durable:
                    os.fdatasync(self._fd)
            except OSError:
                os.ftruncate(self._fd, size)  # the caller does not act on an entry that was not written
                raise
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

    def _last_line(self) -> tuple[bytes, int]:
        """Returns the last complete line, and where it ends.

        Removes an incomplete line, which a process left that died while writing.
        """
        size = start = os.fstat(self._fd).st_size
        tail = b""
        while start > 0 and tail.rstrip(b"\n").count(b"\n") < 2:  # the last one may be incomplete
            length = min(_TAIL, start)
            start -= length
            tail = os.pread(self._fd, length, start) + tail
        whole, newline, torn = tail.rpartition(b"\n")
        if torn:
            size -= len(torn)
            os.ftruncate(self._fd, size)
        return (whole.rpartition(b"\n")[2] if newline else b""), size

    def _sequence_of(self, last: bytes) -> int:
        """Returns the number of the last line. Counts the lines if the last one does not say it."""
        if not last:
            return 0
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            if isinstance(said := json.loads(last)["sequence"], int):
                return said
        return sum(1 for _ in raw_lines(self._path))


@contextlib.contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        with full_disk_named(path):
            yield
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"The audit log {path} cannot be written: {error.strerror}.",
            "Make the file and its disk writable. Without the log, the silo does no work.",
        ) from error


def hash_of(line: bytes) -> str:
    """Returns the value of `previous` for the line after this one. An empty line stands for the start of the file."""
    return str(digests.digest(line)) if line else NOTHING


@dataclass(frozen=True)
class Anchor:
    """The state of a log at some time. A later log with this anchor is an extension of it.

    Attributes:
        last: The hash of the last line.
        entries: The number of entries.
    """

    last: str
    entries: int

    def __str__(self) -> str:
        return f"{self.last}:{self.entries}"


def anchor(text: str) -> Anchor:
    """Parses an anchor, `HASH:NUMBER`. Raises ValueError if it has another form."""
    found = _ANCHOR.fullmatch(text)
    if found is None:
        raise ValueError(f"not an anchor of the form HASH:NUMBER: {text!r}")
    return Anchor(found[1], int(found[2]))


@dataclass(frozen=True)
class Verified:
    """A valid chain.

    Attributes:
        anchor: The state of the log, to keep in another place.
    """

    anchor: Anchor


@dataclass(frozen=True)
class Broken:
    """An invalid chain.

    Attributes:
        line: The number of the first invalid line, starting at 1.
        message: What is wrong with the line.
    """

    line: int
    message: str


def verify(lines: Iterator[bytes], known: Anchor | None = None) -> Verified | Broken:
    """Checks that each line has its number and the hash of the previous line.

    Args:
        lines: The lines of the file, with their newlines.
        known: The anchor of an earlier check. The log must be an extension of the log at that time.
    """
    before, count = NOTHING, 0
    if known is not None and known.entries == 0 and known.last != NOTHING:
        return Broken(1, "the anchor is invalid: a log without entries has no other hash than zeros")
    for count, line in enumerate(lines, 1):
        content = line.removesuffix(b"\n")
        if content == line:
            return Broken(count, "the line is incomplete: its writer died, or the file was truncated")
        named = _links(content)
        if named is None:
            return Broken(count, "the line is not an entry of an audit log")
        previous, sequence = named
        if previous != before:
            earlier = f"line {count - 1} was changed" if count > 1 else "it was not the first line"
            return Broken(
                count, f"its hash of the previous line is wrong: {earlier}, or lines were removed or inserted"
            )
        if sequence != count:
            return Broken(count, f"its sequence number is {sequence}: lines were removed or inserted")
        before = hash_of(content)
        if known is not None and known.entries == count and known.last != before:
            return Broken(count, "it has another hash than the anchor: this line or an earlier one was rewritten")
    if known is not None and known.entries > count:
        return Broken(count + 1, f"the anchor has {known.entries} entries, and the log has {count}: lines were removed")
    return Verified(Anchor(before, count))


def head(path: Path) -> Anchor | None:
    """Returns the state of a log without verifying it. None if it has no complete line.

    Raises:
        FedjobsError: UNAVAILABLE if the file cannot be read.
    """
    if not path.exists():
        return None
    with _reading(path), path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        tail = b""
        while start > 0 and tail.count(b"\n") < 2:
            length = min(_TAIL, start)
            start -= length
            tail = os.pread(file.fileno(), length, start) + tail
    last = tail.rpartition(b"\n")[0].rpartition(b"\n")[2]
    links = _links(last)
    return Anchor(hash_of(last), links[1]) if links is not None else None


def entries(path: Path) -> Iterator[Entry]:
    """Yields the entries of a file in order. Skips unreadable lines.

    Raises:
        FedjobsError: UNAVAILABLE if the file cannot be read.
    """
    for line in raw_lines(path):
        with contextlib.suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def raw_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file, with their newlines.

    Raises:
        FedjobsError: UNAVAILABLE if the file cannot be read.
    """
    with _reading(path), path.open("rb") as file:
        yield from file


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"The audit log {path} cannot be read: {error.strerror}.",
            "Give the path of the silo's audit log.",
        ) from error


def _links(content: bytes) -> tuple[str, int] | None:
    """Returns the hash of the previous line and the number of a line, or None if it has none."""
    try:
        entry = json.loads(content)
        previous, sequence = entry["previous"], entry["sequence"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (previous, sequence) if isinstance(previous, str) and isinstance(sequence, int) else None
