"""References to data that only silos can resolve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SiloData:
    """A reference to a dataset in every silo of the cohort.

    Attributes:
        dataset: The name of the silos' dataset.
        seed: The seed for the sampling of local clients, if a silo samples.
    """

    dataset: str
    seed: int = 0
