"""The exit codes of the command as a table, in the words of its own help."""

from __future__ import annotations

from fedjobs.exits import Exit


def table() -> str:
    """The table of all codes."""
    return "\n".join(["| exit code | meaning |", "|---|---|", *(f"| {code:d} | {code.meaning} |" for code in Exit)])
