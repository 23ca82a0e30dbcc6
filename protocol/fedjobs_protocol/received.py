"""Reads messages of another party. Its texts become printable where they enter, so that nobody must think of it later.

Texts are escaped and bounded, see `fedjobs_common.untrusted_text`. A text that is a name, such as that of a dataset or
of a session, is printable, or it is not a name that anybody has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fedjobs_common.untrusted_text import printable
from google.protobuf import descriptor_pb2  # noqa: F401 - GetOptions needs it, and threads must not import it
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

LONGEST_TEXT = 16_384
"""The maximum length of a text. Tokens are the longest ones."""
_STRING, _MESSAGE = FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE

Received = TypeVar("Received", bound=Message)


def received(kind: type[Received]) -> Callable[[bytes], Received]:
    """Returns a deserializer for messages of this type, whose texts are printable."""

    def read(serialized: bytes) -> Received:
        message = kind.FromString(serialized)
        _make_printable(message)
        return message

    return read


def _make_printable(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type == _STRING:
            _replace(message, field, value)
        elif field.type == _MESSAGE and _is_map(field):
            _replace_map(field, value)
        elif field.type == _MESSAGE:
            for each in value if isinstance(value, list) or hasattr(value, "add") else [value]:
                _make_printable(each)


def _replace(message: Message, field: FieldDescriptor, value: Any) -> None:
    if isinstance(value, str):
        setattr(message, field.name, _text(value))
    else:
        value[:] = [_text(each) for each in value]


def _replace_map(field: FieldDescriptor, value: Any) -> None:
    entry = field.message_type.fields_by_name
    if entry["key"].type != _STRING or entry["value"].type != _STRING:
        return
    texts = {_text(key): _text(each) for key, each in value.items()}
    value.clear()
    value.update(texts)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type.GetOptions().map_entry)


def _text(value: str) -> str:
    return value if len(value) <= LONGEST_TEXT and value.isprintable() else printable(value, LONGEST_TEXT)
