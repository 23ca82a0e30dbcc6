"""Describes validation errors of a silo file to its author."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence

from fedjobs_common.errors import ErrorCode, FedjobsError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 80  # maximum number of characters of an invalid value in a message


def described(error: ValidationError, model: type[BaseModel], where: str) -> FedjobsError:
    """Returns the error for an invalid file, with the path and the value of each invalid field, and a remedy."""
    problems = [_problem(details, model) for details in error.errors()]
    message = f"{where}: " + "; ".join(problem for problem, _ in problems) + "."
    remedies = dict.fromkeys(remedy for _, remedy in problems)
    return FedjobsError(ErrorCode.INVALID_SILO_FILE, message, " ".join(remedies))


def _problem(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    path = ".".join(str(step) for step in details["loc"]) or "the document"
    if details["type"] == "extra_forbidden":
        known = _fields(model, details["loc"][:-1])
        close = difflib.get_close_matches(str(details["loc"][-1]), known, n=1)
        remedy = f"Did you mean '{close[0]}'?" if close else f"The known fields are {', '.join(known)}."
        return f"unknown field {path}", remedy
    if details["type"] == "missing":
        return f"field {path} is missing", f"Set {path}."
    value = repr(details["input"])
    shown = value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "..."
    reason = details["msg"].removeprefix("Value error, ")
    return f"field {path} has the value {shown}: {reason[:1].lower()}{reason[1:]}", f"Correct {path}."


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Returns the names of the fields at a path below the model."""
    kind: object = model
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            by_name = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = _inner(by_name[str(step)].annotation) if str(step) in by_name else None
        else:  # dict or list: the step is a key or an index
            kind = _inner(typing.get_args(kind)[-1]) if typing.get_args(kind) else None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return []


def _inner(annotation: object) -> object:
    """Returns the annotation without `| None` and Annotated."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _inner(next(kind for kind in typing.get_args(annotation) if kind is not type(None)))
    if origin is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    return annotation
