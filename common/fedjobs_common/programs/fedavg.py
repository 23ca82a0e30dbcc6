"""The parameters of `fedavg`: federated averaging, with FedProx's proximal term and server optimizers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fedjobs_common.programs.base import Number, Parameters, PositiveInt, PositiveNumber, refuse
from fedjobs_common.programs.models import ModelParameters
from fedjobs_common.programs.optimizers import OptimizerParameters

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class ClientParameters(OptimizerParameters):
    """The training on one client in one round."""

    learning_rate: PositiveNumber
    batch_size: PositiveInt = 32
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """The number of passes over the client's examples in one round."""
    shuffle_buffer: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """The size of the shuffle buffer. Examples are shuffled again in each epoch. 0 keeps the silo's order."""
    proximal_strength: Annotated[Number, Field(ge=0)] = 0.0
    """FedProx's mu (Li et al. 2020, arXiv:1812.06127), which pulls a client's weights to the global weights. 0 is plain
    FedAvg."""


class ServerParameters(OptimizerParameters):
    """How the mean of the clients' updates is applied to the global model (Reddi et al. 2021, arXiv:2003.00295)."""

    learning_rate: PositiveNumber = 1.0
    """The server's learning rate. sgd with 1.0 is plain federated averaging. Other optimizers have no default."""

    @model_validator(mode="after")
    def _only_sgd_has_a_default_rate(self) -> ServerParameters:
        if self.optimizer != "sgd" and "learning_rate" not in self.model_fields_set:
            refuse(f"{self.optimizer} needs a learningRate", "Add learningRate: 0.03, for example.")
        return self


class Weighting(Parameters):
    """The weight of a client's update in the mean: `examples`, `uniform`, or `{cap: N}` for its examples up to N."""

    by: Literal["examples", "uniform"] = "examples"
    cap: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if value in ("examples", "uniform"):
            return {"by": value}
        if isinstance(value, dict | Weighting):
            return value
        return refuse("the weighting is unknown", "Write examples, uniform, or {cap: 100}.")

    @model_validator(mode="after")
    def _a_cap_is_on_examples(self) -> Weighting:
        if self.cap is not None and self.by == "uniform":
            refuse("a uniform weight has no cap", "Remove by or cap.")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        del handler
        return self.by if self.cap is None else {"cap": self.cap}


class EvaluationParameters(Parameters):
    dataset: Annotated[str, Field(min_length=1)] | None = None
    """The name of the silos' test dataset. Defaults to the job's dataset."""
    every_rounds: PositiveInt = 1
    """The number of rounds between two evaluations. The last round is always evaluated."""
    batch_size: PositiveInt = 256


class FedAvgParameters(Parameters):
    rounds: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed = 0
    """The seed of the initial weights, of shuffling, dropout and the sampling of clients. With the same cohort, equal
    job files give bit-identical results."""
    model: ModelParameters
    client: ClientParameters
    server: ServerParameters = Field(default_factory=ServerParameters)
    weighting: Weighting = Field(default_factory=Weighting)
    evaluation: EvaluationParameters | None = None
    """The evaluation. By default, only training metrics are reported."""

    def datasets(self, job_dataset: str) -> list[str]:
        """Returns the datasets that the program needs from the silos."""
        names = [job_dataset]
        if self.evaluation is not None and self.evaluation.dataset not in (None, job_dataset):
            names.append(str(self.evaluation.dataset))
        return names
