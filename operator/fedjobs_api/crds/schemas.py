"""From a pydantic model to the structural schema that a CRD takes: OpenAPI v3.0 with Kubernetes' restrictions.

Everything in pydantic's JSON schema is translated or an error, so that nothing that a model says is lost silently.
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
    "gt": "minimum",  # what pydantic writes for a number that has a validator of its own before it
    "lt": "maximum",
}
_ORDER = ["description", "type", "format"]


class UntranslatableError(Exception):
    """A model says something that a CRD cannot, or does not say what a CRD needs. The message has the path."""


class _WithFactories(GenerateJsonSchema):
    """Also writes the defaults that a factory makes; a model's are written where its own fields are."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        if "default_factory" not in schema:
            return super().get_default_value(schema)
        made = schema["default_factory"]()  # type: ignore[call-arg]
        return {} if isinstance(made, BaseModel) else made


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model.

    Raises:
        UntranslatableError: A part of the model has no equivalent; its path is named.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_WithFactories)
    return _translated(schema, schema.get("$defs", {}), model.__name__)


def head(model: type[BaseModel]) -> Schema:
    """What a model says of itself as a whole: its description and its rules."""
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
        raise UntranslatableError(f"{path}: say with a marker whether the list is a set, a map or atomic")
    return {key: translated[key] for key in sorted(translated, key=_position)}


def _keyword(key: str, value: Any, schema: Schema, path: str) -> Schema:
    """What a keyword that speaks of the value itself becomes."""
    if key == "description":
        return {key: _text(value)}
    if key == "const":
        return {"type": "string", "enum": [value]}
    if key == "default":
        return {} if value is None else {key: _plain(value)}
    if key in _EXCLUSIVE:
        bound = _EXCLUSIVE[key]
        return {bound: value, f"exclusive{bound.title()}": True}  # as OpenAPI 3.0 has it
    if key in _AS_IT_IS or key.startswith("x-kubernetes-") or (key == "anyOf" and _INT_OR_STRING in schema):
        return {key: value}
    raise UntranslatableError(f"{path}: a CRD has no {key}")


def _parts(key: str, value: Any, schema: Schema, definitions: Schema, path: str) -> Schema:
    """What a keyword that speaks of the value's parts becomes. What is unknown is pruned or marked."""
    if key == "properties":
        return {key: {name: _translated(field, definitions, f"{path}.{name}") for name, field in value.items()}}
    if key == "items":
        return {key: _translated(value, definitions, f"{path}[]")}
    if isinstance(value, dict):
        return {key: _translated(value, definitions, f"{path}.<name>")}
    if value is True and _FREE_FORM not in schema:
        raise UntranslatableError(f"{path}: say with a marker that the mapping is free-form, or give its values a type")
    return {}


def _inlined(schema: Schema, definitions: Schema, path: str) -> Schema:
    """Without a reference, and without null: a field that may be absent is left out, never null."""
    if "anyOf" in schema and _INT_OR_STRING not in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise UntranslatableError(f"{path}: a CRD's field has one type, this one has {len(options)}")
        return _inlined(_merged(options[0], {key: schema[key] for key in schema if key != "anyOf"}), definitions, path)
    if "$ref" in schema:
        referred = definitions[schema["$ref"].rpartition("/")[2]]
        return _inlined(_merged(referred, {key: schema[key] for key in schema if key != "$ref"}), definitions, path)
    return schema


def _merged(inner: Schema, outer: Schema) -> Schema:
    """A type, and what the field that has it adds: its own description, more rules."""
    both = [*inner.get(_RULES, ()), *outer.get(_RULES, ())]
    return inner | outer | ({_RULES: both} if both else {})


def _plain(value: Any) -> Any:
    """Numbers as people write them: 600, not 600.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(docstring: str) -> str:
    """A docstring as a description: one line for each paragraph, no Markdown."""
    paragraphs = re.split(r"\n\s*\n", docstring.replace("`", ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _position(key: str) -> tuple[int, str]:
    """Descriptions first, rules last."""
    rank = _ORDER.index(key) if key in _ORDER else len(_ORDER) + key.startswith("x-")
    return rank, key
