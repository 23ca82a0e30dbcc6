"""Sizes of payloads as users write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_ELEMENT = np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Payload:
    """One float32 vector.

    Attributes:
        label: The size as it was given, such as `4KB`.
        size: Bytes, a multiple of 4.
    """

    label: str
    size: int

    @property
    def elements(self) -> int:
        return self.size // _ELEMENT

    def values(self) -> npt.NDArray[np.float32]:
        """Returns values that are not all equal, so that they cannot be compressed easily."""
        values = np.arange(self.elements, dtype=np.float32)
        # In place, because a copy would count as the coordinator's memory.
        return np.remainder(values, np.float32(1009), out=values)


def parse(text: str) -> Payload:
    """Parses `4KB`, `1MB`, `300B` (units are powers of 1024).

    Raises:
        ValueError: If the text is not a size, or not a whole number of float32 values.
    """
    match = re.fullmatch(r"(\d+)\s*([KMG]?B)", text.strip(), flags=re.IGNORECASE)
    if match is None:
        raise ValueError(f"payload {text!r} is not a size; write for example 4KB, 1MB or 100MB")
    size = int(match[1]) * _UNITS[match[2].upper()]
    if size == 0 or size % _ELEMENT:
        raise ValueError(f"payload {text!r} is {size} bytes, which is not a positive multiple of {_ELEMENT}")
    return Payload(text.strip(), size)
