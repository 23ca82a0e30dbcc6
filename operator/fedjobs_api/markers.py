"""Kubernetes extensions of a field's schema: list types, CEL rules, and free-form maps.

They are part of the model's JSON schema under Kubernetes' names, and are copied to the CRD unchanged. Each CEL rule has
a validator in the same model that checks the same on one machine.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Extra: TypeAlias = dict[str, Any]

LIST_TYPE = "x-kubernetes-list-type"
SET: Extra = {LIST_TYPE: "set"}
ATOMIC_LIST: Extra = {LIST_TYPE: "atomic"}
"""Server-side apply replaces the whole list."""
ATOMIC_MAP: Extra = {"x-kubernetes-map-type": "atomic"}
FREE_FORM: Extra = {"x-kubernetes-preserve-unknown-fields": True}
"""The API server keeps all fields, also unknown ones."""
DATE_TIME: Extra = {"format": "date-time"}


def list_map(key: str) -> Extra:
    """Marks a list whose items are identified by one of their fields."""
    return {LIST_TYPE: "map", "x-kubernetes-list-map-keys": [key]}


def rule(cel: str, message: str, *, field: str = "", forbidden: bool = False) -> Extra:
    """Returns one rule of `x-kubernetes-validations`.

    Args:
        cel: An expression on `self` that must be true. A rule that uses `oldSelf` is evaluated on updates only.
        message: What is wrong, and the remedy. One line.
        field: The field that the error names, relative to the rule's model: `.dataset`.
        forbidden: Whether the change is forbidden, as opposed to the value being invalid.
    """
    place = {"fieldPath": field} if field else {}
    return {
        "rule": cel,
        "message": message,
        "reason": "FieldValueForbidden" if forbidden else "FieldValueInvalid",
        **place,
    }


def rules(*written: Extra) -> Extra:
    """Returns the schema extension with the rules of one model or field."""
    return {"x-kubernetes-validations": list(written)}


def unchangeable(path: str, *, optional: bool = False) -> Extra:
    """Returns the rule that makes a field immutable.

    Args:
        path: The field's path, relative to the rule's model. The field's parents always exist, because they are
            required or have a default.
        optional: The field may be absent, and must then stay absent. (A comparison of CEL optionals would be shorter,
            but the API server cannot estimate its cost and rejects it.)
    """
    new, old = f"self.{path}", f"oldSelf.{path}"
    same = f"{new} == {old}"
    name = path.rpartition(".")[2]
    return rule(
        f"has({new}) == has({old}) && (!has({new}) || {same})" if optional else same,
        f"{name} is immutable: create a job with another name, or delete this one first",
        field=f".{path}",
        forbidden=True,
    )
