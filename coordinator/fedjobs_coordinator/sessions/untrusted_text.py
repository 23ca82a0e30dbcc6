"""What silos say, made fit to be shown to people, logged, and written to each status."""

from __future__ import annotations

_LONGEST = 1000  # characters


def sanitize(text: str) -> str:
    """Without control characters, which a terminal may obey, and not too long."""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST])
