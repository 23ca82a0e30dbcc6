"""Parts of a pod that a job passes on unchanged. They are plain dicts whose fields are validated."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fedjobs_common.programs.base import refuse
from fedjobs_common.programs.problems import closest
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from fedjobs_api.fields import LabelValue, Text

_AMOUNT = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_LONGEST = 32
_STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


def _amount(value: object) -> object:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if whole or (isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(_AMOUNT, value)):
        return value
    return refuse("it is not a quantity", "Write a quantity such as '500m' for cpu or '4Gi' for memory.")


def _mapping_of(known: type) -> BeforeValidator:
    """Returns a validator whose errors list the known fields. Pydantic's own errors for a TypedDict do not."""
    names = list(known.__annotations__)

    def check(value: object) -> object:
        if not isinstance(value, dict):
            refuse("it must be a mapping", f"Use the fields {', '.join(names)}.")
        for name in value:
            if name not in names:
                refuse(f"{name!r} is not a known field", closest(name, names))
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
"""A Kubernetes quantity: `4Gi`, `500m`, `2`."""
Amounts = Annotated[dict[str, Amount], Field(max_length=32)]


class Resources(TypedDict, total=False):
    """The resource requirements of a container."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    requests: Amounts
    """The resources that the container requests, such as `{cpu: "1", memory: 4Gi}`."""
    limits: Amounts
    """The maximum resources that the container can use."""


class Toleration(TypedDict, total=False):
    """A toleration, with the fields of a pod's toleration."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    key: Text
    """The key of the taint. If absent and the operator is `Exists`, the toleration matches every taint."""
    operator: Literal["Exists", "Equal"]
    """How the value is compared. Defaults to Equal."""
    value: LabelValue
    """The value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """The effect of the taint. If absent, the toleration matches every effect."""
    tolerationSeconds: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """The number of seconds that the pod tolerates a NoExecute taint. If absent, it tolerates the taint forever."""


CheckedResources = Annotated[Resources, _mapping_of(Resources)]
CheckedToleration = Annotated[Toleration, _mapping_of(Toleration)]
