"""What was seen last of the objects of one kind: from a list, from the events after it, and from answers to calls."""

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
    """The objects of one kind, parsed.

    Versions of all objects of a cluster come from one counter. So an answer that is not newer than the last event, of
    an object that is not known, is of one that has been deleted meanwhile: it must not come back to life.

    Args:
        parse: Reads an object.
        key: What it is found by.
        on_change: Called when a value becomes another, with what was and what is; None: there is none.
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
        """All that there is at a version; what is known to be newer stays."""
        entries = [entry for body in bodies if (entry := self._readable(body)) is not None]
        self._horizon = int(version)
        there = {self._key(entry.value) for entry in entries}
        for key, known in list(self._entries.items()):
            if key not in there and known.version <= self._horizon:
                self._forget(key)
        for entry in entries:
            self._put(entry)

    def happened(self, body: Body, *, deleted: bool) -> None:
        """An event; they come in their order."""
        entry = self._entry(body)
        self._horizon = max(self._horizon, entry.version)
        if not deleted:
            self._put(entry)
            return
        known = self._entries.get(self._key(entry.value))
        if known is not None and known.uid == entry.uid:
            self._forget(self._key(entry.value))

    def answered(self, body: Body) -> None:
        """What a call has returned, which may be before or after its event."""
        entry = self._entry(body)
        known = self._entries.get(self._key(entry.value))
        if (known is None or known.uid != entry.uid) and entry.version <= self._horizon:
            return
        self._put(entry)

    def _readable(self, body: Body) -> _Entry[Value] | None:
        """None where it cannot be read: it is not one of ours, and hides none of the others."""
        try:
            return self._entry(body)
        except Exception:
            _LOG.exception("an object cannot be read", name=body["metadata"].get("name"))
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
