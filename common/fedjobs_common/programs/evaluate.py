"""The parameters of `evaluate`, which computes the metrics of an existing model over all silos and for each silo."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedjobs_common.programs.base import Parameters, PositiveInt
from fedjobs_common.programs.fedavg import Seed
from fedjobs_common.programs.models import ModelParameters


class EvaluateParameters(Parameters):
    model: ModelParameters
    weights: Annotated[str, Field(min_length=1)]
    """The path of an earlier result's `model/weights.safetensors` at the coordinator."""
    batch_size: PositiveInt = 256
    seed: Seed = 0
    """The seed for the sampling of clients, if silos sample clients."""

    def datasets(self, job_dataset: str) -> list[str]:
        """Returns the datasets that the program needs from the silos."""
        return [job_dataset]
