"""Formats the JSON lines of a log as readable text."""

from __future__ import annotations

import datetime
import json
from typing import Any

from fedjobs_common.untrusted_text import printable, printable_lines

_LONGEST = 50_000
_SAID_ALREADY = {"event", "level", "timestamp", "job", "jobUid", "job_uid", "exception"}
"""Keys that the line shows elsewhere, or whose value is the same in all lines of a job's log."""


def readable(line: str) -> str:
    """Formats a line as time of day, level, event and details. A line that is not JSON keeps its text.

    Programs write to the log, and silos choose texts in it. So unprintable characters are escaped.
    """
    return printable_lines(_readable(line))


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return printable(line, _LONGEST)
    if not isinstance(entry, dict) or "event" not in entry:
        return printable(line, _LONGEST)
    about = "  ".join(f"{name}={_value(value)}" for name, value in entry.items() if name not in _SAID_ALREADY)
    level = str(entry.get("level", ""))
    shown = f"{_time(entry.get('timestamp'))} {level:<8}{entry['event']}" + (f"  {about}" if about else "")
    trace = str(entry.get("exception") or "").rstrip()
    return "\n".join([printable(shown, _LONGEST), *(f"    {part}" for part in trace.splitlines())])


def _time(written: object) -> str:
    """Formats the time in this machine's time zone, as the live table does."""
    try:
        return datetime.datetime.fromisoformat(str(written)).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return "--:--:--"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and not set(value) & set(' "=\n') else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
