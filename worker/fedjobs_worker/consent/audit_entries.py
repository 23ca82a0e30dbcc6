"""The entries of an audit log: what they are about, how large they can be, and how a line is read strictly.

Others choose parts of an entry, such as a label or a message. So each part is bounded when it is written, and each line
of a worker's log is checked when the agent collects it.
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from fedjobs_common import untrusted_text

Detail = str | int | float | list[str] | None
Entry = dict[str, Any]

MAX_LINE = 15 * 1024
"""The maximum bytes of a line. The kubelet splits longer lines than 16 KiB."""
MAX_JOB = 8 * 1024 * 1024
"""The maximum bytes of one job's entries in a silo's log. The kubelet replaces a container's log after 10 MiB."""
MAX_ENTRIES = MAX_JOB // 200
"""No log of a worker has more entries. A line has more than 200 bytes."""
MOST_OF_JOB = 250_000
"""The maximum number of entries of one job in the logs of all its workers. A work item has two or three."""
LATEST = 253_402_300_800.0
"""The first second after the year 9999. Later times cannot be shown as a date."""
_TEXT, _LIST = 1000, 32
_MAX_INTEGER = 2**63
_KEY = re.compile(r"[a-z][A-Za-z]{0,31}")
_HASH = re.compile(r"[0-9a-f]{64}")


class Subject(enum.StrEnum):
    """What an entry is about."""

    INVITATION = "invitation"
    """The silo decides whether it takes part in a job."""
    COMPUTATION = "computation"
    """The silo decides whether a computation may run."""
    WORK = "work"
    """The silo decides whether a work item runs."""
    RESULT = "result"
    """The silo decides whether accumulators leave it."""
    FAILURE = "failure"
    """An error message leaves the silo."""
    LOG = "log"
    """The job's part of the log is full."""
    GAP = "gap"
    """The agent: entries of a worker are missing."""
    FOREIGN = "foreign"
    """The agent: a line in a worker's log is not the worker's next entry."""


OF_WORKERS = frozenset(Subject) - {Subject.GAP, Subject.FOREIGN}
"""The subjects that a worker writes."""
_COLLECTED = frozenset({"worker", "origin", "workerSequence", "workerTime", "unverified"})
"""The fields that the agent adds."""


def bounded(entry: Mapping[str, Detail]) -> Entry:
    """Returns the entry with printable, bounded texts. Its line has at most `MAX_LINE` bytes with hash and sequence.

    Args:
        entry: The entry. Numbers must be finite.
    """
    longest = _TEXT
    while True:
        found = {name: _bounded(value, longest) for name, value in entry.items()}
        if len(json.dumps(found)) <= MAX_LINE - 200 or longest == 0:
            return found
        longest //= 2


def _bounded(value: Detail, longest: int) -> Detail:
    if isinstance(value, str):
        return untrusted_text.printable(value, longest)
    if not isinstance(value, list):
        return value
    shown = [untrusted_text.printable(each, longest // 4) for each in value[:_LIST]]
    return shown if len(value) <= _LIST else [*shown, f"... ({len(value)} in total)"]


@dataclass(frozen=True)
class Written:
    """An entry of a worker's log.

    Attributes:
        entry: The entry, without time, hash of the previous line, and sequence number.
        sequence: The number of the line, starting at 1.
        previous: The hash of the line before.
        time: What the worker says about the time, in seconds since 1970. None if it cannot be a date.
    """

    entry: Entry
    sequence: int
    previous: str
    time: float | None


@dataclass(frozen=True)
class End:
    """The last line that is printed of a log.

    Attributes:
        entries: The number of entries.
    """

    entries: int


@dataclass(frozen=True)
class Malformed:
    """A line that is no entry.

    Attributes:
        message: What is wrong.
    """

    message: str


def end_line(entries: int) -> bytes:
    """Returns the line that is printed after the last entry."""
    return json.dumps({"end": entries}).encode()


def parsed(line: bytes, silo: str, job: str) -> Written | End | Malformed:
    """Parses a line of a worker's log.

    Args:
        line: The line, without its newline.
        silo: The silo of the worker.
        job: The uid of the worker's job.
    """
    if len(line) > MAX_LINE:
        return Malformed(f"it has {len(line)} bytes, and an entry has at most {MAX_LINE}")
    try:
        entry = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Malformed(f"it is not JSON: {type(error).__name__}")
    if not isinstance(entry, dict):
        return Malformed("it is not an object")
    if set(entry) == {"end"}:
        known = _is_count(entry["end"]) and entry["end"] <= MAX_ENTRIES
        return End(entry["end"]) if known else Malformed("its number of entries is invalid")
    wrong = _wrong(entry, silo, job)
    if wrong:
        return Malformed(wrong)
    time, sequence, previous = entry.pop("time"), entry.pop("sequence"), entry.pop("previous")
    return Written(entry, sequence, previous, float(time) if 0 <= time < LATEST else None)


def _wrong(entry: Entry, silo: str, job: str) -> str:
    """Returns what is wrong with an entry, or an empty string."""
    for name, value in entry.items():
        if not _KEY.fullmatch(name) or name in _COLLECTED:
            return "it has an unknown field"
        if not _is_detail(value):
            return f"its field {name} has an invalid value"
    if entry.get("silo") != silo or entry.get("job") != job:
        return "it is about another silo or job"
    subject, decision = entry.get("subject"), entry.get("decision")
    if not isinstance(subject, str) or subject not in OF_WORKERS or not isinstance(decision, str):
        return "its subject or decision is unknown"
    if not _is_number(entry.get("time")):
        return "its time is not a number"
    if not _is_count(entry.get("sequence")) or not 1 <= entry["sequence"] <= MAX_ENTRIES:
        return "its sequence number is invalid"
    if not isinstance(entry.get("previous"), str) or not _HASH.fullmatch(entry["previous"]):
        return "it does not have the hash of a line"
    if "bytes" in entry and not _is_count(entry["bytes"]):
        return "its number of bytes is invalid"
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> Entry:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _is_detail(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return value is None or isinstance(value, str) or _is_number(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _MAX_INTEGER if isinstance(value, int) else math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_INTEGER
