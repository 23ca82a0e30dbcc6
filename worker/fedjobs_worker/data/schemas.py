"""What an example of a dataset consists of. Light: the session knows schemas, and never reads data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """One component of an example: its name, TensorFlow's name of its dtype, its shape (without a batch)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
