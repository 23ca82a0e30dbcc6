"""The fields of a pydantic model as a table: names as people write them, types, defaults, and the models' own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

# A layer has a table of its own; a weighting is written in one word.
_WITHOUT_FIELDS = {"Layer", "Weighting"}
_LARGE = 1_000_000  # limits above it are only there to keep numbers sane
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def table(model: type[BaseModel]) -> str:
    """All fields with their paths, nested ones after the field that holds them."""
    schema = model.model_json_schema(by_alias=True)
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    lines += (
        f"| `{path}` | {kind} | {default} | {meaning} |" for path, kind, default, meaning in _rows(schema, schema)
    )
    return "\n".join(lines)


def _rows(schema: Schema, root: Schema, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        path, inner = prefix + name, _resolved(field, root)
        own, described = field.get("description"), inner.get("description")
        yield path, _kind(field, root), _default(field, name in required), _cell(own or described or "")
        nested, suffix = _nested(inner, root)
        if nested and nested.get("title") not in _WITHOUT_FIELDS:
            yield from _rows(nested, root, path + suffix + ".")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """What a reference, or an optional value, is about."""
    if "$ref" in schema:
        found: Schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return _resolved(options[0], root) if len(options) == 1 else schema


def _nested(schema: Schema, root: Schema) -> tuple[Schema | None, str]:
    """The model whose fields follow, and how its place is written."""
    if schema.get("type") == "array":
        return _with_properties(_resolved(schema.get("items", {}), root)), "[]"
    if isinstance(schema.get("additionalProperties"), dict):
        return _with_properties(_resolved(schema["additionalProperties"], root)), ".<name>"
    return _with_properties(schema), ""


def _with_properties(schema: Schema) -> Schema | None:
    return schema if "properties" in schema else None


def _kind(schema: Schema, root: Schema) -> str:
    inner = _resolved(schema, root)
    if "const" in inner:
        return f"`{inner['const']}`"
    if "enum" in inner:
        return ", ".join(f"`{value}`" for value in inner["enum"])
    if "anyOf" in inner:
        return " or ".join(_kind(option, root) for option in inner["anyOf"])
    kind = inner.get("type", "any")
    if kind == "array":
        return f"list of {_kind(inner.get('items', {}), root)}"
    if isinstance(inner.get("additionalProperties"), dict):
        return f"mapping to {_kind(inner['additionalProperties'], root)}"
    bounds = [f" {sign} {inner[key]:g}" for key, sign in _BOUNDS.items() if abs(inner.get(key, _LARGE)) < _LARGE]
    return ("mapping" if kind == "object" else str(kind)) + ",".join(bounds)


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "" if default is None or default in ({}, []) or isinstance(default, dict) else f"`{default}`"


def _cell(text: str) -> str:
    """A docstring in one table cell."""
    paragraph = text.split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")
