"""Parts of a pod that a job hands on as they are: plain dicts, whose fields are checked."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fedjobs_common.programs.base import refuse
from fedjobs_common.programs.problems import closest
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from fedjobs_operator.api.names import LabelValue, Text

_AMOUNT = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_LONGEST = 32
_STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


def _amount(value: object) -> object:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if whole or (isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(_AMOUNT, value)):
        return value
    return refuse("it is no amount", "Write it as a text, such as '500m' of cpu or '4Gi' of memory.")


def _mapping_of(known: type) -> BeforeValidator:
    """Names what is not known: pydantic does not tell which fields a plain dict could have."""
    names = list(known.__annotations__)

    def check(value: object) -> object:
        if not isinstance(value, dict):
            refuse("it must be a mapping", f"Give it fields of {', '.join(names)}.")
        for name in value:
            if name not in names:
                refuse(f"{name!r} is not one of its fields", closest(name, names))
        return value

    return BeforeValidator(check)


Amount = Annotated[
    int | str,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": _AMOUNT,
            "maxLength": _LONGEST,
        }
    ),
]
"""A quantity, as Kubernetes writes it: `4Gi`, `500m`, `2`."""
Amounts = Annotated[dict[str, Amount], Field(max_length=32)]


class Resources(TypedDict, total=False):
    """What a container needs, and may use at most."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    requests: Amounts
    """What the node must have free, such as `{cpu: "1", memory: 4Gi}`."""
    limits: Amounts
    """What the container may use at most."""


class Toleration(TypedDict, total=False):
    """A taint of a node that does not keep the pod away, as in a pod."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    key: Text
    """Of the taint; absent, with `Exists`: every taint."""
    operator: Literal["Exists", "Equal"]
    """By default Equal: the values are the same."""
    value: LabelValue
    """Of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """Of the taint; absent: every effect."""
    tolerationSeconds: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """How long a NoExecute taint is borne; absent: for ever."""


CheckedResources = Annotated[Resources, _mapping_of(Resources)]
CheckedToleration = Annotated[Toleration, _mapping_of(Toleration)]
