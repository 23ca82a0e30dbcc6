"""Builds TFF's optimizers from parameters."""

from __future__ import annotations

import tensorflow_federated as tff
from fedjobs_common.programs.optimizers import OptimizerParameters

_BUILDERS = {
    "sgd": tff.learning.optimizers.build_sgdm,
    "adagrad": tff.learning.optimizers.build_adagrad,
    "adam": tff.learning.optimizers.build_adam,
    "adamw": tff.learning.optimizers.build_adamw,
    "rmsprop": tff.learning.optimizers.build_rmsprop,
    "yogi": tff.learning.optimizers.build_yogi,
}
_TFF_NAMES = {"initial_accumulator": "initial_preconditioner_value"}


def build(parameters: OptimizerParameters, learning_rate: float) -> tff.learning.optimizers.Optimizer:
    """Builds an optimizer. Arguments default to TFF's defaults."""
    arguments = {_TFF_NAMES.get(name, name): value for name, value in parameters.arguments.items()}
    return _BUILDERS[parameters.optimizer](learning_rate, **arguments)
