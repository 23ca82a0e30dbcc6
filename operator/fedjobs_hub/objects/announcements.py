"""Converts an agent's announcement to the Silo's status. Sizes are limited, and texts are made printable."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fedjobs_protocol.v1 import hub_pb2 as pb

_LONGEST_NAME, _LONGEST_FEATURE = 63, 200
_MOST_DATASETS, _MOST_FEATURES = 100, 100
_PARTS = ("fedjobs", "protocol", "tensorflow")
"""The accepted keys. A merge patch adds keys to a map, so each patch sets all of them and no others."""
_MOST_UNITS = 1 << 20
_ANCHOR = re.compile(r"[0-9a-f]{64}:[0-9]{1,15}")


def change(request: pb.AnnounceRequest) -> dict[str, Any]:
    """Returns a JSON merge patch of the status. Values that are not announced are removed."""
    datasets = {name: each for each in request.datasets if (name := cleaned(each.name))}
    told = [datasets[name] for name in sorted(datasets)[:_MOST_DATASETS]]
    schemas = [{"name": cleaned(each.name), "features": _features(each.features)} for each in told if each.features]
    return {
        "versions": {part: cleaned(request.versions.get(part, "")) or None for part in _PARTS},
        "datasets": [cleaned(each.name) for each in told] or None,
        "schemas": schemas or None,
        "capacity": {"cpus": min(request.cpus, _MOST_UNITS), "gpus": min(request.gpus, _MOST_UNITS)},
    }


def audit_anchor(said: str, known: str | None) -> str | None:
    """Returns the state of the silo's audit log to store, or None if the stored one stays.

    A log only grows. So an anchor of a shorter log does not replace the stored one.

    Args:
        said: What the agent says.
        known: The stored anchor.
    """
    if not _ANCHOR.fullmatch(said):
        return None
    return said if known is None or _entries_of(said) > _entries_of(known) else None


def _entries_of(anchor: str) -> int:
    return int(anchor.partition(":")[2])


def cleaned(text: str, longest: int = _LONGEST_NAME) -> str:
    """Returns the text with unprintable characters replaced, truncated to `longest` characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:longest])


def _features(features: Iterable[str]) -> list[str]:
    return [cleaned(each, _LONGEST_FEATURE) for each in list(features)[:_MOST_FEATURES]]
