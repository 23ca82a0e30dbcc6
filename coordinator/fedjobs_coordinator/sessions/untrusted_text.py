"""Makes texts from silos fit for terminals, logs and statuses."""

from __future__ import annotations

from fedjobs_common.untrusted_text import printable

_LONGEST = 1000  # characters


def sanitize(text: str) -> str:
    """Escapes control characters, which a terminal may interpret, and limits the length."""
    return printable(text, _LONGEST)
