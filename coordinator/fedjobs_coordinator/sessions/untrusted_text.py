"""Sanitizes texts from silos for terminals, logs and statuses."""

from __future__ import annotations

_LONGEST = 1000  # characters


def sanitize(text: str) -> str:
    """Replaces control characters, which a terminal may interpret, and limits the length."""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST])
