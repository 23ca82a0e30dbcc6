"""Times as Kubernetes writes them."""

from __future__ import annotations

import datetime
from collections.abc import Callable

Time = datetime.datetime
"""Always with its zone, UTC."""
Clock = Callable[[], Time]


def now() -> Time:
    return datetime.datetime.now(datetime.UTC)


def written(time: Time) -> str:
    """In whole seconds: `2026-01-31T12:00:00Z`."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written_precisely(time: Time) -> str:
    """In microseconds, as Leases have them."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> Time:
    """Reads what one of the others wrote."""
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
