"""Timestamps in the formats of Kubernetes."""

from __future__ import annotations

import datetime
from collections.abc import Callable

Time = datetime.datetime
"""A timezone-aware time in UTC."""
Clock = Callable[[], Time]


def now() -> Time:
    return datetime.datetime.now(datetime.UTC)


def written(time: Time) -> str:
    """Formats a time with second precision, like `metav1.Time`: `2026-01-31T12:00:00Z`."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written_precisely(time: Time) -> str:
    """Formats a time with microsecond precision, like `metav1.MicroTime`."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> Time:
    """Parses a timestamp in either format."""
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
