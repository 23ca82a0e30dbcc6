"""Translates a pydantic model to the structural schema of a CRD: OpenAPI v3.0 with the restrictions of Kubernetes.

A keyword of pydantic's JSON schema is either translated or raises an error. Nothing is dropped silently.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from fedjobs_api.markers import LIST_TYPE

Schema = dict[str, Any]

_FREE_FORM = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_RULES = "x-kubernetes-validations"
_AS_IT_IS = {
    "description", "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
    "maxItems", "minProperties", "maxProperties", "required",
}  # fmt: skip
_LEFT_OUT = ("title", "$defs")
_EXCLUSIVE = {
    "exclusiveMinimum": "minimum",
    "exclusiveMaximum": "maximum",
    "gt": "minimum",  # pydantic writes `gt` for a number that has a BeforeValidator
    "lt": "maximum",
}
_ORDER = ["description", "type", "format"]


class UntranslatableError(Exception):
    """A model cannot be translated to a CRD, or lacks something that a CRD needs. The message names the path."""


class _WithFactories(GenerateJsonSchema):
    """Also writes defaults from factories. The default of a nested model is `{}`, since its fields have defaults."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        if "default_factory" not in schema:
            return super().get_default_value(schema)
        made = schema["default_factory"]()  # type: ignore[call-arg]
        return {} if isinstance(made, BaseModel) else made


def structural(model: type[BaseModel]) -> Schema:
    """Returns the structural schema of a model.

    Raises:
        UntranslatableError: A part of the model has no equivalent. The message names its path.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_WithFactories)
    return _translated(schema, schema.get("$defs", {}), model.__name__)


def head(model: type[BaseModel]) -> Schema:
    """Returns the description and the rules of a model itself, without its fields."""
    schema = model.model_json_schema(by_alias=True)
    said = {key: schema[key] for key in ("description", _RULES) if key in schema}
    return said | {"description": _text(said["description"])}


def _translated(schema: Schema, definitions: Schema, path: str) -> Schema:
    schema = _inlined(schema, definitions, path)
    translated: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "items", "additionalProperties"):
            translated |= _parts(key, value, schema, definitions, path)
        elif key not in _LEFT_OUT:
            translated |= _keyword(key, value, schema, path)
    if translated.get("type") == "array" and LIST_TYPE not in translated:
        raise UntranslatableError(f"{path}: mark the list as a set, a map or atomic")
    return {key: translated[key] for key in sorted(translated, key=_position)}


def _keyword(key: str, value: Any, schema: Schema, path: str) -> Schema:
    """Translates a keyword about the value itself."""
    if key == "description":
        return {key: _text(value)}
    if key == "const":
        return {"type": "string", "enum": [value]}
    if key == "default":
        return {} if value is None else {key: _plain(value)}
    if key in _EXCLUSIVE:
        bound = _EXCLUSIVE[key]
        return {bound: value, f"exclusive{bound.title()}": True}  # the form of OpenAPI 3.0
    if key in _AS_IT_IS or key.startswith("x-kubernetes-") or (key == "anyOf" and _INT_OR_STRING in schema):
        return {key: value}
    raise UntranslatableError(f"{path}: a CRD has no {key}")


def _parts(key: str, value: Any, schema: Schema, definitions: Schema, path: str) -> Schema:
    """Translates a keyword about the parts of the value. Unknown fields are pruned unless the value is marked."""
    if key == "properties":
        return {key: {name: _translated(field, definitions, f"{path}.{name}") for name, field in value.items()}}
    if key == "items":
        return {key: _translated(value, definitions, f"{path}[]")}
    if isinstance(value, dict):
        return {key: _translated(value, definitions, f"{path}.<name>")}
    if value is True and _FREE_FORM not in schema:
        raise UntranslatableError(f"{path}: mark the mapping as free-form, or give its values a type")
    return {}


def _inlined(schema: Schema, definitions: Schema, path: str) -> Schema:
    """Resolves references and removes null: an absent field is omitted, never null."""
    if "anyOf" in schema and _INT_OR_STRING not in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise UntranslatableError(f"{path}: a field of a CRD has one type, and this one has {len(options)}")
        return _inlined(_merged(options[0], {key: schema[key] for key in schema if key != "anyOf"}), definitions, path)
    if "$ref" in schema:
        referred = definitions[schema["$ref"].rpartition("/")[2]]
        return _inlined(_merged(referred, {key: schema[key] for key in schema if key != "$ref"}), definitions, path)
    return schema


def _merged(inner: Schema, outer: Schema) -> Schema:
    """Merges the schema of a field into the schema of its type. The field's description wins, rules are combined."""
    both = [*inner.get(_RULES, ()), *outer.get(_RULES, ())]
    return inner | outer | ({_RULES: both} if both else {})


def _plain(value: Any) -> Any:
    """Converts whole floats to integers: 600, not 600.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(docstring: str) -> str:
    """Converts a docstring to a description: one line for each paragraph, without Markdown."""
    paragraphs = re.split(r"\n\s*\n", docstring.replace("`", ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _position(key: str) -> tuple[int, str]:
    """Returns the sort key of a keyword: descriptions first, rules last."""
    rank = _ORDER.index(key) if key in _ORDER else len(_ORDER) + key.startswith("x-")
    return rank, key
