"""Every change of a planned shard is refused, or means what it says: what comes out are the bytes that came."""

from __future__ import annotations

import contextlib
from typing import Any

from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import verify
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.forging import GraphDef, forged, honest

_TEXTS = st.sampled_from(
    ["", "ReadFile", "n0", "^n0", "n0:1", "a0", "f_0", "/device:GPU:0", "_x", "\x1b[31m", "x" * 5000]
)
_NUMBERS = st.sampled_from([-(2**31), -2, -1, 0, 1, 2, 3, 7, 9, 20, 21, 100, 2**31 - 1])
_FLOATS = st.sampled_from([0.0, 1.5, float("nan"), float("inf"), -1e30])


def _check(serialized: bytes) -> None:
    with contextlib.suppress(FedjobsError):  # any other exception ends the test
        assert verify(serialized).serialized == serialized


def _any_part(data: st.DataObject, message: Message) -> Message:
    """Returns a message within a message, at any depth."""
    parts: list[Message] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                parts += [value[key] for key in sorted(value)]
        else:
            parts += list(value) if field.label == FieldDescriptor.LABEL_REPEATED else [value]
    if not parts or data.draw(st.integers(0, 3)) == 0:
        return message
    return _any_part(data, parts[data.draw(st.integers(0, len(parts) - 1))])


def _value(data: st.DataObject, field: FieldDescriptor) -> Any:
    if field.enum_type is not None or field.cpp_type in (
        FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64
    ):  # fmt: skip
        return data.draw(_NUMBERS)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64):
        return abs(data.draw(_NUMBERS)) % 2**31
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return data.draw(_FLOATS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return data.draw(st.booleans())
    text = data.draw(_TEXTS)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def _change_a_field(data: st.DataObject, message: Any) -> None:
    part: Any = _any_part(data, message)
    fields = list(part.DESCRIPTOR.fields)
    field = fields[data.draw(st.integers(0, len(fields) - 1))]
    value = getattr(part, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        keys = sorted(value)
        if keys and data.draw(st.booleans()):
            del value[keys[data.draw(st.integers(0, len(keys) - 1))]]
        elif field.message_type.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING:
            entry = value[data.draw(_TEXTS)] if field.message_type.fields_by_name["value"].message_type else None
            if entry is None:
                value["o0"] = data.draw(_TEXTS)
            elif hasattr(entry, "b"):
                entry.b = True
    elif field.label == FieldDescriptor.LABEL_REPEATED:
        _change_a_list(data, field, value)
    elif field.message_type is not None:
        value.SetInParent() if data.draw(st.booleans()) else part.ClearField(field.name)
    else:
        setattr(part, field.name, _value(data, field))


def _change_a_list(data: st.DataObject, field: FieldDescriptor, value: Any) -> None:
    kind = data.draw(st.sampled_from(["delete", "repeat", "add", "reverse"]))
    if kind == "delete" and value:
        del value[data.draw(st.integers(0, len(value) - 1))]
    elif kind == "repeat" and value:
        value.append(value[data.draw(st.integers(0, len(value) - 1))])
    elif kind == "add" and field.message_type is not None:
        value.add()
    elif kind == "add":
        value.append(_value(data, field))
    else:
        value.reverse()


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_a_field_of_a_graph(data: st.DataObject) -> None:
    named = data.draw(st.booleans())
    try:
        changed = forged(honest(), lambda graph: _change_a_field(data, graph), named=named)
    except (RecursionError, KeyError, UnicodeEncodeError):
        return  # not a graph that TensorFlow's own messages can hold
    _check(changed)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_field_of_a_shard(data: st.DataObject) -> None:
    message = shard_pb2.Shard.FromString(honest())
    _change_a_field(data, message)
    _check(message.SerializeToString(deterministic=True))


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_a_byte(data: st.DataObject) -> None:
    serialized = bytearray(honest())
    at = data.draw(st.integers(0, len(serialized) - 1))
    match data.draw(st.sampled_from(["change", "insert", "delete", "cut"])):
        case "change":
            serialized[at] ^= data.draw(st.integers(1, 255))
        case "insert":
            serialized.insert(at, data.draw(st.integers(0, 255)))
        case "delete":
            del serialized[at]
        case _:
            del serialized[at:]
    _check(bytes(serialized))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(serialized: bytes) -> None:
    _check(serialized)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_graph(graph: bytes) -> None:
    message = shard_pb2.Shard.FromString(honest())
    message.zero.segments[0].graph_def = graph
    _check(message.SerializeToString(deterministic=True))


def test_what_passes_is_what_tensorflow_reads() -> None:
    """The verifier's own messages and TensorFlow's are the same on the wire."""
    for program in (verify(honest()).message.zero, verify(honest()).message.work):
        for segment in program.segments:
            read = GraphDef.FromString(segment.graph_def)
            assert read.SerializeToString(deterministic=True) == segment.graph_def
