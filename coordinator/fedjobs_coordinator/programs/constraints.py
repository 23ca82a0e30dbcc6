"""Keras' constraints of weights, as a wrapper of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
import tensorflow_federated as tff

Constraint: TypeAlias = Callable[[tf.Tensor], tf.Tensor] | None


class ConstrainedOptimizer(tff.learning.optimizers.Optimizer):
    """Applies constraints to the weights after each step, as Keras' optimizers do.

    Args:
        optimizer: The wrapped optimizer.
        constraints: The constraint of each weight, or None.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer, constraints: Sequence[Constraint]) -> None:
        self._optimizer, self._constraints = optimizer, tuple(constraints)

    def initialize(self, specs: Any) -> Any:
        return self._optimizer.initialize(specs)

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        state, updated = self._optimizer.next(state, weights, gradients)
        flat = zip(tf.nest.flatten(updated), self._constraints, strict=True)
        constrained = [weight if constraint is None else constraint(weight) for weight, constraint in flat]
        return state, tf.nest.pack_sequence_as(updated, constrained)
