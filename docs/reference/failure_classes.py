"""The classes of failures that leave a silo, as a table."""

from __future__ import annotations

from fedjobs_worker.channels.failure_classes import FailureClass


def table() -> str:
    """Returns the table of all classes."""
    lines = ["| class | code | what happened |", "|---|---|---|"]
    lines += [f"| `{kind.label}` | `{kind.code.label}` | {kind.sentence}. |" for kind in FailureClass]
    return "\n".join(lines)
