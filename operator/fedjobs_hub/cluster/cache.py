"""A cache of the objects of one kind, which is updated from lists, watch events and responses to calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

_LOG = structlog.get_logger(__name__)
Value = TypeVar("Value")
Body = Mapping[str, Any]


@dataclass(frozen=True)
class _Entry(Generic[Value]):
    uid: str
    version: int
    value: Value


class Cache(Generic[Value]):
    """The parsed objects of one kind.

    The resource versions of all objects of a cluster come from one counter. If a response is not newer than the last
    event and its object is unknown, the object has been deleted meanwhile. Such a response is ignored.

    Args:
        parse: Parses an object.
        key: Returns the key of a value.
        on_change: Called when a value changes, with the old and the new value. None means that there is no value.
    """

    def __init__(
        self,
        parse: Callable[[Body], Value],
        key: Callable[[Value], str],
        on_change: Callable[[Value | None, Value | None], object],
    ) -> None:
        self._parse = parse
        self._key = key
        self._on_change = on_change
        self._entries: dict[str, _Entry[Value]] = {}
        self._horizon = 0

    def __iter__(self) -> Iterator[Value]:
        return iter([entry.value for entry in self._entries.values()])

    def get(self, key: str) -> Value | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def listed(self, bodies: Iterable[Body], version: str) -> None:
        """Replaces the content with a list at a version. Keeps newer objects."""
        entries = [entry for body in bodies if (entry := self._readable(body)) is not None]
        self._horizon = int(version)
        there = {self._key(entry.value) for entry in entries}
        for key, known in list(self._entries.items()):
            if key not in there and known.version <= self._horizon:
                self._forget(key)
        for entry in entries:
            self._put(entry)

    def happened(self, body: Body, *, deleted: bool) -> None:
        """Applies a watch event. Events must be applied in order."""
        entry = self._entry(body)
        self._horizon = max(self._horizon, entry.version)
        if not deleted:
            self._put(entry)
            return
        known = self._entries.get(self._key(entry.value))
        if known is not None and known.uid == entry.uid:
            self._forget(self._key(entry.value))

    def answered(self, body: Body) -> None:
        """Applies the response to a call, which may arrive before or after the object's watch event."""
        entry = self._entry(body)
        known = self._entries.get(self._key(entry.value))
        if (known is None or known.uid != entry.uid) and entry.version <= self._horizon:
            return
        self._put(entry)

    def _readable(self, body: Body) -> _Entry[Value] | None:
        """Returns None if the object cannot be parsed. Such an object must not prevent the others from being listed."""
        try:
            return self._entry(body)
        except Exception:
            _LOG.exception("cannot parse an object", name=body["metadata"].get("name"))
            return None

    def _entry(self, body: Body) -> _Entry[Value]:
        metadata = body["metadata"]
        return _Entry(metadata["uid"], int(metadata["resourceVersion"]), self._parse(body))

    def _put(self, entry: _Entry[Value]) -> None:
        key = self._key(entry.value)
        known = self._entries.get(key)
        if known is not None and entry.version < known.version:
            return
        self._entries[key] = entry
        before = None if known is None else known.value
        if before != entry.value:
            self._on_change(before, entry.value)

    def _forget(self, key: str) -> None:
        self._on_change(self._entries.pop(key).value, None)
