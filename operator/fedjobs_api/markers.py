"""What a Kubernetes schema says of a field beyond its type: list types, rules in CEL, free-form maps.

They go into a model's JSON schema under Kubernetes' own names and end up unchanged in the CRD. A rule of a model stands
beside the validator that says the same on one machine.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Extra: TypeAlias = dict[str, Any]

LIST_TYPE = "x-kubernetes-list-type"
SET: Extra = {LIST_TYPE: "set"}
ATOMIC_LIST: Extra = {LIST_TYPE: "atomic"}
"""Replaced as a whole by whoever applies it."""
ATOMIC_MAP: Extra = {"x-kubernetes-map-type": "atomic"}
FREE_FORM: Extra = {"x-kubernetes-preserve-unknown-fields": True}
"""Kept as it was written, whatever is in it."""
DATE_TIME: Extra = {"format": "date-time"}


def list_map(key: str) -> Extra:
    """A list whose items are told apart by one of their fields."""
    return {LIST_TYPE: "map", "x-kubernetes-list-map-keys": [key]}


def rule(cel: str, message: str, *, field: str = "", forbidden: bool = False) -> Extra:
    """One rule of `x-kubernetes-validations`.

    Args:
        cel: What must be true of `self` (and of `oldSelf`, where it is only looked at when the object changes).
        message: What is wrong, and the remedy; one line.
        field: Where the error is shown, below the place of the rule: `.dataset`.
        forbidden: Whether the change itself is wrong, not the value.
    """
    place = {"fieldPath": field} if field else {}
    return {
        "rule": cel,
        "message": message,
        "reason": "FieldValueForbidden" if forbidden else "FieldValueInvalid",
        **place,
    }


def rules(*written: Extra) -> Extra:
    """The rules of one model or field."""
    return {"x-kubernetes-validations": list(written)}


def unchangeable(path: str, *, optional: bool = False) -> Extra:
    """The rule that a field keeps its value.

    Args:
        path: From the model that has the rule; the field's parents are always there, required or by a default.
        optional: The field may be absent, and is then to stay absent. (Comparing optional values says the same in fewer
            words, but the API server cannot tell what that costs, and refuses it.)
    """
    new, old = f"self.{path}", f"oldSelf.{path}"
    same = f"{new} == {old}"
    name = path.rpartition(".")[2]
    return rule(
        f"has({new}) == has({old}) && (!has({new}) || {same})" if optional else same,
        f"{name} cannot change once the job is there: make a job of another name, or delete this one first",
        field=f".{path}",
        forbidden=True,
    )
