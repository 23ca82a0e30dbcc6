"""Finds a field that a message's definition does not have."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from fedjobs_verifier.refusals import shown


def first_unknown(message: Message, path: str) -> str:
    """Returns where a message has an unknown field, such as `graph.node[3], field 7`, or an empty text."""
    for unknown in UnknownFieldSet(message):
        return f"{path}, field {unknown.field_number}"
    for name, part in _parts(message):
        found = first_unknown(part, f"{path}.{name}")
        if found:
            return found
    return ""


def _parts(message: Message) -> Iterator[tuple[str, Message]]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                yield from ((f"{field.name}[{shown(key)}]", value[key]) for key in value)
        elif hasattr(value, "add"):
            yield from ((f"{field.name}[{position}]", part) for position, part in enumerate(value))
        else:
            yield field.name, value
