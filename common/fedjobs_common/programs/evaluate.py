"""Parameters of `evaluate`: the metrics of a model that exists already, over all silos and for each of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedjobs_common.programs.base import Parameters, PositiveInt
from fedjobs_common.programs.fedavg import Seed
from fedjobs_common.programs.models import ModelParameters


class EvaluateParameters(Parameters):
    model: ModelParameters
    weights: Annotated[str, Field(min_length=1)]
    """Path, at the coordinator, of the `model/weights.safetensors` of an earlier result."""
    batch_size: PositiveInt = 256
    seed: Seed = 0
    """For the sampling of clients, where silos sample."""

    def datasets(self, job_dataset: str) -> list[str]:
        """The datasets that the program asks the silos for."""
        return [job_dataset]
