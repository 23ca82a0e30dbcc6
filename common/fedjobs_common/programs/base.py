"""The base of all parameter models of programs: strict validation, and YAML numbers with exponents."""

from __future__ import annotations

import re
from typing import Annotated, NoReturn

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fedjobs_common.models import Model


class Parameters(Model):
    """A model that does not convert values: `"20"` and `true` are not a number of rounds."""

    model_config = ConfigDict(strict=True)


# YAML 1.1 reads `1e-3` as a string, because its floats need a dot.
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
    """Raises a validation error from within a validator.

    Args:
        reason: What is wrong. It continues the sentence "field is value: ".
        remedy: What to do about it, as a sentence.
    """
    raise PydanticCustomError("refused", "{reason}", {"reason": reason, "remedy": remedy})
