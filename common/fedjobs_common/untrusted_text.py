"""Text that comes from another party, made safe for a terminal, a log line and a message.

A job's owner, a coordinator, a hub or a silo chooses names, labels and error messages that people of another
organisation read. Such text can contain line breaks that imitate other lines, terminal escapes, and controls that
reverse the direction of writing.
"""

from __future__ import annotations

LONGEST = 2000
"""The default limit, in characters."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, longest: int = LONGEST) -> str:
    r"""Returns the text on one line, without a character that a terminal or an editor does not show.

    Control characters, line breaks, controls of the direction of writing, other invisible formatting, surrogates and
    unassigned characters are escaped, for example as `\x1b`. A longer text is cut, and ends with its length.

    Args:
        text: The text.
        longest: The maximum length of the result, in characters.
    """
    shown, whole = _escaped(text, longest)
    note = f"... ({len(text)} characters)"
    if whole or longest <= len(note):
        return shown
    return _escaped(text, longest - len(note))[0] + note


def printable_lines(text: str, longest: int = 10_000_000) -> str:
    """Returns a text of several lines, each of them printable. Only line feeds separate lines.

    Use it for a text whose lines fedjobs wrote, after each untrusted part of it was made printable.
    """
    cut = text if len(text) <= longest else f"{text[:longest]}\n... ({len(text)} characters)"
    return "\n".join(printable(line, longest) for line in cut.split("\n"))


def _escaped(text: str, longest: int) -> tuple[str, bool]:
    """Escapes as much of the text as fits, and returns whether it is all. Cuts no escape sequence."""
    shown: list[str] = []
    length = 0
    for character in text:
        piece = character if character.isprintable() else _sequence(character)
        length += len(piece)
        if length > longest:
            return "".join(shown), False
        shown.append(piece)
    return "".join(shown), True


def _sequence(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
