"""Parameters of `fedavg`: federated averaging, with FedProx's term and server optimizers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fedjobs_common.programs.base import Number, Parameters, PositiveInt, PositiveNumber, refuse
from fedjobs_common.programs.models import ModelParameters
from fedjobs_common.programs.optimizers import OptimizerParameters

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class ClientParameters(OptimizerParameters):
    """Training on one client, in one round."""

    learning_rate: PositiveNumber
    batch_size: PositiveInt = 32
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Passes over the client's examples in one round."""
    shuffle_buffer: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Examples that are shuffled among one another, in each epoch anew; 0: they stay in the silo's order."""
    proximal_strength: Annotated[Number, Field(ge=0)] = 0.0
    """FedProx's mu (Li et al. 2020, arXiv:1812.06127): pulls a client's weights to the global ones; 0: FedAvg."""


class ServerParameters(OptimizerParameters):
    """How the mean of the clients' updates is applied to the global model (Reddi et al. 2021, arXiv:2003.00295)."""

    learning_rate: PositiveNumber = 1.0
    """With sgd and 1.0 this is plain federated averaging. Other optimizers want a rate of their own."""

    @model_validator(mode="after")
    def _only_sgd_has_a_default_rate(self) -> ServerParameters:
        if self.optimizer != "sgd" and "learning_rate" not in self.model_fields_set:
            refuse(f"{self.optimizer} needs a learningRate", "Add learningRate: 0.03, for example.")
        return self


class Weighting(Parameters):
    """What a client's update weighs in the mean: `examples`, `uniform`, or `{cap: N}`, its examples but at most N."""

    by: Literal["examples", "uniform"] = "examples"
    cap: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if value in ("examples", "uniform"):
            return {"by": value}
        if isinstance(value, dict | Weighting):
            return value
        return refuse("the weighting is not known", "Write examples, uniform, or {cap: 100}.")

    @model_validator(mode="after")
    def _a_cap_is_on_examples(self) -> Weighting:
        if self.cap is not None and self.by == "uniform":
            refuse("a uniform weight has no cap", "Remove one of the two.")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        del handler
        return self.by if self.cap is None else {"cap": self.cap}


class EvaluationParameters(Parameters):
    dataset: Annotated[str, Field(min_length=1)] | None = None
    """Name under which the silos offer their test data; by default the job's own dataset."""
    every_rounds: PositiveInt = 1
    """The last round is always evaluated."""
    batch_size: PositiveInt = 256


class FedAvgParameters(Parameters):
    rounds: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed = 0
    """Initial weights, shuffling, dropout and sampling of clients come from it: the same file gives the same bits."""
    model: ModelParameters
    client: ClientParameters
    server: ServerParameters = Field(default_factory=ServerParameters)
    weighting: Weighting = Field(default_factory=Weighting)
    evaluation: EvaluationParameters | None = None
    """Left out: only the metrics of training are reported."""

    def datasets(self, job_dataset: str) -> list[str]:
        """The datasets that the program asks the silos for."""
        names = [job_dataset]
        if self.evaluation is not None and self.evaluation.dataset not in (None, job_dataset):
            names.append(str(self.evaluation.dataset))
        return names
