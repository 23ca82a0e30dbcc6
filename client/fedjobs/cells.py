"""Cells of tables. Others choose most of their texts, so a cell has no control characters and no markup."""

from __future__ import annotations

from fedjobs_common.untrusted_text import printable
from rich.text import Text


def cell(text: str, style: str = "") -> Text:
    """Returns a text on one line, with unprintable characters escaped."""
    return Text(printable(text), style=style, overflow="fold")


def heading(name: str) -> Text:
    """Returns the name of a metric as the title of a column, with a line for each part between slashes."""
    return Text("\n").join(map(cell, name.split("/")))
