"""For each type and bound in a schema: a value that violates it, in an otherwise valid job."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.api.jobs import a_job
from tests.crds.schemas import Schema

Job = dict[str, Any]

_OTHER_TYPE: dict[str, Any] = {
    "string": 7, "integer": 1.5, "number": "7", "boolean": "yes", "object": "text", "array": "text",
}  # fmt: skip

_VIOLATING: dict[str, Callable[[Schema], Any]] = {
    "type": lambda field: _OTHER_TYPE[field["type"]],
    "x-kubernetes-int-or-string": lambda _: 1.5,
    "enum": lambda _: "Other",
    "minimum": lambda field: field["minimum"] - 1,
    "maximum": lambda field: field["maximum"] + 1,
    "minLength": lambda _: "",
    "maxLength": lambda field: _text(field["maxLength"] + 1, field),
    "pattern": lambda _: "no such thing!",
    "minItems": lambda _: [],
    "maxItems": lambda field: _items(field["items"], field["maxItems"] + 1),
    "x-kubernetes-list-type": lambda field: 2 * _items(field["items"], 1),
    "maxProperties": lambda field: {f"k{n}": "1" for n in range(field["maxProperties"] + 1)},
    "properties": lambda _: {"other": 1},
    "required": lambda _: {},
}

_JUST_VALID: dict[str, Callable[[Schema], Any]] = {
    "minimum": lambda field: field["minimum"],
    "maximum": lambda field: field["maximum"],
    "minLength": lambda field: _text(field["minLength"], field),
    "maxLength": lambda field: _text(field["maxLength"], field),
    "minItems": lambda field: _items(field["items"], field["minItems"]),
    "maxItems": lambda field: _items(field["items"], field["maxItems"]),
    "maxProperties": lambda field: {f"k{n}": "1" for n in range(field["maxProperties"])},
}


def violations(field: Schema) -> Iterator[tuple[str, Any]]:
    """Yields each violated keyword with a violating value."""
    for keyword, violating in _VIOLATING.items():
        if keyword == "properties" and "x-kubernetes-preserve-unknown-fields" in field:
            continue
        if field.get(keyword) not in (None, "atomic"):
            yield keyword, violating(field)


def just_valid(field: Schema) -> Iterator[tuple[str, Any]]:
    """Yields each keyword with a value at its bound."""
    for keyword, keeping in _JUST_VALID.items():
        if keyword in field and not (keyword == "maxItems" and "enum" in field["items"]):
            yield keyword, keeping(field)


def job_with(path: str, value: Any) -> Job:
    """Returns a job with this value at the path. Everything else in the job is valid."""
    job = _surroundings(path)
    *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
    place: Any = job
    for parent in parents:
        place = place[parent]
    place[last] = value
    return job


def _surroundings(path: str) -> Job:
    for beginning, changes in _SURROUNDINGS.items():
        if path.startswith(beginning):
            return a_full_job(**changes)
    return a_full_job()


def a_full_job(**changes: Any) -> Job:
    """Returns a job with as many fields as can be set at the same time."""
    return a_job(**copy.deepcopy(_FULL | changes))


_CONFIG_MAP = {"configMap": {"name": "churn"}}
_FULL: dict[str, Any] = {
    "cohort": {"minSilos": 1, "goalSilos": 2, "roundDeadlineSeconds": 2},
    "worker": {"gpu": {"mode": "Prefer", "count": 2}},
    "coordinator": {
        "resources": {"requests": {"key": "500m"}, "limits": {"key": 2}},
        "nodeSelector": {"key": "fast"},
        "tolerations": [
            {"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 5},
            {"operator": "Exists"},
        ],
        "storage": {
            "size": "1.5Ti",
            "storageClassName": "fast",
            "accessMode": "ReadWriteOncePod",
            "whenDeleted": "Retain",
        },
    },
    "output": {"uri": "s3://models/digits", "secretRef": {"name": "s3"}, "formats": ["keras"]},
    "requestedBy": "alice@example.org",
    "suspend": True,
    "backoffLimit": 0,
    "activeDeadlineSeconds": 86400,
    "ttlSecondsAfterFinished": 0,
}
_SURROUNDINGS: dict[str, dict[str, Any]] = {
    ".spec.program.entrypoint": {"program": {"entrypoint": "churn.program:main", "parameters": {"a": [None, {}]}}},
    ".spec.program.source.path": {"program": {"entrypoint": "churn:main", "source": {"path": "."}}},
    ".spec.program.source": {"program": {"entrypoint": "churn:main", "source": _CONFIG_MAP}},
    ".spec.program.computation.path": {"program": {"computation": {"path": "mean.pb"}}},
    ".spec.program.computation": {"program": {"computation": {"configMap": {"name": "stats", "key": "mean.pb"}}}},
    ".spec.cohort.minSilos": {"cohort": {"minSilos": 1}},
    ".spec.silos.selector.matchLabels": {"silos": {"selector": {"matchLabels": {"key": "eu"}}}},
    ".spec.output.persistentVolumeClaim": {
        "output": {"persistentVolumeClaim": {"claimName": "models", "path": "digits/2026"}}
    },
}
SURROUNDINGS = [a_full_job(), *(a_full_job(**changes) for changes in _SURROUNDINGS.values())]
"""Valid jobs that together set every field at least once."""


def _items(item: Schema, count: int) -> list[Any]:
    if "enum" in item:
        return item["enum"][:1] * count
    return [{"operator": "Exists"} if item["type"] == "object" else f"a{n}" for n in range(count)]


def _text(length: int, field: Schema) -> str:
    """Returns a string of this length that matches the field's pattern."""
    for beginning, letter, end in (("", "a", ""), ("a:", "a", ""), ("s3://", "a", ""), ("", "1", ""), ("", "1", "Gi")):
        text = beginning + letter * (length - len(beginning) - len(end)) + end
        if re.search(field.get("pattern", ""), text):
            return text
    raise AssertionError(f"no text for {field['pattern']}")
