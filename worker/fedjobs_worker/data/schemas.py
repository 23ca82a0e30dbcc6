"""The schema of a dataset. This module has no heavy imports, because the session needs schemas but never reads data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """A component of an example: its name, TensorFlow's name of its dtype, and its shape without a batch dimension."""

    name: str
    dtype: str
    shape: tuple[int, ...]
