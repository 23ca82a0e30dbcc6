"""The optimizers of clients and server: TFF's optimizers by name, with their arguments."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from fedjobs_common.programs.base import Fraction, Number, Parameters, PositiveNumber, refuse

OptimizerName = Literal["sgd", "adagrad", "adam", "adamw", "rmsprop", "yogi"]

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "sgd": ("momentum",),
    "adagrad": ("epsilon", "initial_accumulator"),
    "adam": ("beta_1", "beta_2", "epsilon"),
    "adamw": ("beta_1", "beta_2", "epsilon", "weight_decay"),
    "rmsprop": ("decay", "epsilon"),
    "yogi": ("beta_1", "beta_2", "epsilon", "initial_accumulator"),
}
"""The arguments of each optimizer besides the learning rate. They default to TFF's defaults."""


class OptimizerParameters(Parameters):
    optimizer: OptimizerName = "sgd"
    momentum: Fraction | None = None
    beta_1: Fraction | None = None
    beta_2: Fraction | None = None
    decay: Fraction | None = None
    epsilon: PositiveNumber | None = None
    weight_decay: Number | None = None
    initial_accumulator: PositiveNumber | None = None
    """The initial value of the sums of squared gradients."""

    @model_validator(mode="after")
    def _arguments_belong_to_the_optimizer(self) -> OptimizerParameters:
        for name in sorted({argument for arguments in ARGUMENTS.values() for argument in arguments}):
            if getattr(self, name) is not None and name not in ARGUMENTS[self.optimizer]:
                alias = OptimizerParameters.model_fields[name].alias
                having = ", ".join(optimizer for optimizer, arguments in ARGUMENTS.items() if name in arguments)
                refuse(
                    f"{self.optimizer} has no {alias}", f"Remove {alias}, or use an optimizer that has it: {having}."
                )
        return self

    @property
    def arguments(self) -> dict[str, float]:
        """The arguments that are set."""
        return {name: value for name in ARGUMENTS[self.optimizer] if (value := getattr(self, name)) is not None}
