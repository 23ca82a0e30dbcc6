"""Describes how two jobs differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_ABSENT = object()


def differences(there: Mapping[str, Any], here: Mapping[str, Any], named: Callable[[str], str]) -> list[str]:
    """Returns one sentence for each difference.

    Args:
        there: The existing job.
        here: The given job.
        named: Returns the name to show for a path, whose keys are joined with dots.
    """
    old, new = _flat(there), _flat(here)
    return [
        f"{named(path)} is {_shown(old, path)} in the existing job and {_shown(new, path)} in the given one"
        for path in sorted(old.keys() | new.keys())
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
        return {key: leaf for name, item in items for key, leaf in _flat(item, name).items()}
    return {path: value}


def _shown(values: Mapping[str, Any], path: str) -> str:
    return repr(values[path]) if path in values else "absent"
