"""Converts a pydantic validation error to one error that names the field's path, its value and the remedy."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Sequence

import pydantic
from pydantic_core import ErrorDetails

from fedjobs_common.errors import ErrorCode, FedjobsError

_SHOWN = 5

_REMEDIES = {
    "int_type": "Write a whole number, without quotes.",
    "float_type": "Write a number, without quotes.",
    "bool_type": "Write true or false, without quotes.",
    "string_type": "Write a text.",
    "list_type": "Write a list: [...].",
    "greater_than": "Use a number {wish}.",
    "greater_than_equal": "Use a number {wish}.",
    "less_than": "Use a number {wish}.",
    "less_than_equal": "Use a number {wish}.",
}


def explain(error: pydantic.ValidationError, model: type[pydantic.BaseModel], prefix: str) -> FedjobsError:
    """Returns an error with the first few problems of a validation, in the order of the fields.

    Args:
        error: The validation error.
        model: The validated model. Its fields are suggested for an unknown field.
        prefix: The path of the validated value in the manifest, such as `spec.program.parameters`.
    """
    problems = error.errors(include_url=False)
    explained = [_explain(problem, model, prefix) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        explained.append(f"And {len(problems) - _SHOWN} more problems.")
    first, *others = explained
    message, _, remedy = first.partition("\n")
    return FedjobsError(
        ErrorCode.INVALID_PROGRAM_PARAMETER, message, " ".join([remedy, *others]).replace("\n", " ").strip()
    )


def closest(name: object, known: Sequence[str]) -> str:
    """Returns a remedy for an unknown name: `Did you mean 'x'? Known: ...`."""
    # The comparison ignores case and separators, so that snake_case finds camelCase.
    plain = {re.sub(r"[^a-z0-9]", "", candidate.lower()): candidate for candidate in known}
    wanted = re.sub(r"[^a-z0-9]", "", str(name).lower())
    matches = difflib.get_close_matches(wanted, list(plain), n=1)
    suggestion = f"Did you mean {plain[matches[0]]!r}? " if matches else ""
    return f"{suggestion}Known: {', '.join(known)}."


def _explain(problem: ErrorDetails, model: type[pydantic.BaseModel], prefix: str) -> str:
    """Returns message and remedy, separated by a line break."""
    location, context = problem["loc"], problem.get("ctx", {})
    path, value = _path(prefix, location), _shown(problem["input"])
    match problem["type"]:
        case "refused":
            shown = f" is {value}" if isinstance(problem["input"], str | int | float) else ""
            return f"{path}{shown}: {context['reason']}.\n{context['remedy']}"
        case "missing":
            return f"{path} is missing.\nAdd it."
        case "extra_forbidden":
            return f"{path} is not a known field.\n{closest(location[-1], _fields(model, location[:-1]))}"
        case "literal_error":
            known = re.findall(r"'([^']*)'", context["expected"])
            return f"{path} is {value}, which is not known.\n{closest(problem['input'], known)}"
        case "string_pattern_mismatch":
            return f"{path} is {value}, which has the wrong form.\nWrite it to match {context['pattern']}"
        case "model_type" | "model_attributes_type":
            return (
                f"{path} is {value}: it must be a mapping.\nGive it the fields {', '.join(_fields(model, location))}."
            )
        case kind:
            wish = re.sub(r"^.*? should ", "", problem["msg"])  # "be greater than 0", "have at most 40 characters"
            usual = "Use {wish}." if wish.startswith("be ") else "Let it {wish}."
            remedy = _REMEDIES.get(kind, usual).format(wish=wish.removeprefix("be "))
            return f"{path} is {value}: it must {wish}.\n{remedy}"


def _path(prefix: str, location: tuple[int | str, ...]) -> str:
    return prefix + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fields(model: type[pydantic.BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Returns the names of the fields of the model at a location, as written in manifests."""
    found: type[pydantic.BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or found is None:
            continue
        fields = found.model_fields.items()
        annotation = next((field.annotation for name, field in fields if part in (name, field.alias)), None)
        found = _model_in(annotation)
    if found is None:
        return []
    return [field.alias or name for name, field in found.model_fields.items() if not field.exclude]


def _model_in(annotation: object) -> type[pydantic.BaseModel] | None:
    """Returns the model in a field's type. The type is the model itself, optional, or a list of models."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, pydantic.BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_in(part)) is not None), None)
