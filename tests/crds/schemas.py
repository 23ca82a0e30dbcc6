"""Iterates over the schemas of the committed CRDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from fedjobs_api.crds.files import FOLDER

Schema = dict[str, Any]


def definition(name: str) -> Schema:
    """Returns a committed CRD."""
    found: Schema = yaml.safe_load((FOLDER / name).read_text())
    return found


def schema(name: str) -> Schema:
    found: Schema = definition(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def fields(place: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yields all fields below a schema with their paths. Items are `.names[0]`, values of mappings `.labels.key`."""
    for name, field in place.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
    for key, part in (("items", "[0]"), ("additionalProperties", ".key")):
        if key in place:
            yield f"{path}{part}", place[key]
            yield from fields(place[key], f"{path}{part}")


def rules(place: Schema) -> list[Schema]:
    """Returns all CEL rules below a schema."""
    inner = [field for _, field in fields(place)]
    return [rule for found in (place, *inner) for rule in found.get("x-kubernetes-validations", ())]
