"""What all parameter models of programs share: strictness, and numbers as people write them in YAML."""

from __future__ import annotations

import re
from typing import Annotated, NoReturn

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fedjobs_common.models import Model


class Parameters(Model):
    """A model that converts nothing silently: `"20"` is not a number of rounds, and neither is `true`."""

    model_config = ConfigDict(strict=True)


# YAML 1.1 reads `1e-3` as text, because its numbers need a dot. Everyone means a number.
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def _number(value: object) -> object:
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
PositiveNumber = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]


def refuse(reason: str, remedy: str) -> NoReturn:
    """Refuses a value from within a validator.

    Args:
        reason: What is wrong, so that it continues the sentence "field is value: ".
        remedy: What to do about it, a sentence.
    """
    raise PydanticCustomError("refused", "{reason}", {"reason": reason, "remedy": remedy})
