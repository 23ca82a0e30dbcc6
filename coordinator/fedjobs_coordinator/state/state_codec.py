"""Packs nested Python containers of arrays (dictionaries, named tuples, attrs classes, lists) into one flat value.

Unpacking returns ordered dictionaries and tuples. TFF accepts these for any structure with the same names and order.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from fedjobs_protocol.transfers.values import Leaf, SequenceValue, frame, unframe


def pack(value: Any) -> bytes:
    """Packs a value into a framed value: first the structure as JSON, then the leaves.

    Raises:
        TypeError: A leaf is not a number, a string, or an array of these.
    """
    leaves: list[Leaf] = []
    skeleton = json.dumps(_skeleton(value, leaves), separators=(",", ":"))
    return frame([np.array(skeleton.encode(), dtype=object), *leaves]).tobytes()


def unpack(content: bytes) -> Any:
    """Unpacks a value. The inverse of `pack`.

    Raises:
        FedjobsError: BLOB_CORRUPT.
    """
    first, *leaves = unframe(content)
    if isinstance(first, SequenceValue):
        raise TypeError("not a packed structure")
    return _built(json.loads(bytes(first[()])), leaves)


def _skeleton(value: Any, leaves: list[Leaf]) -> Any:
    named = _named_parts(value)
    if named is not None:
        return {"named": [[name, _skeleton(part, leaves)] for name, part in named]}
    if isinstance(value, list | tuple):
        return {"parts": [_skeleton(part, leaves) for part in value]}
    leaves.append(value if isinstance(value, SequenceValue) else _array(value))
    return len(leaves) - 1


def _named_parts(value: Any) -> list[tuple[str, Any]] | None:
    if isinstance(value, Mapping):
        return [(str(name), part) for name, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return list(value._asdict().items())
    if attrs.has(type(value)):
        return [(field.name, getattr(value, field.name)) for field in attrs.fields(type(value))]
    return None


def _array(value: Any) -> np.ndarray[Any, Any]:
    # Strings have dtype object, because numpy's strings drop trailing zero bytes.
    array = np.asarray(value, dtype=object if isinstance(value, str | bytes) else None)
    if array.dtype.kind in "SU":
        array = array.astype(object)
    if array.dtype.kind == "O" and not all(isinstance(x, str | bytes) for x in array.ravel()):
        raise TypeError(f"a {type(value).__name__} cannot be saved")
    return array


def _built(skeleton: Any, leaves: list[Leaf]) -> Any:
    if isinstance(skeleton, int):
        leaf = leaves[skeleton]
        return leaf[()] if isinstance(leaf, np.ndarray) and leaf.ndim == 0 else leaf
    if "named" in skeleton:
        return OrderedDict((name, _built(part, leaves)) for name, part in skeleton["named"])
    return tuple(_built(part, leaves) for part in skeleton["parts"])
