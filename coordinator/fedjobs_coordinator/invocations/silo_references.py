"""A reference to data that only silos can resolve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SiloData:
    """The data of one name, in every silo of the cohort.

    Attributes:
        dataset: The name under which silos offer them.
        seed: Decides which of its local clients a silo takes, where it samples.
    """

    dataset: str
    seed: int = 0
