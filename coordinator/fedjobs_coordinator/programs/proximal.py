"""FedProx's proximal term, as a wrapper of a client's optimizer.

TFF 0.87 has `build_weighted_fed_prox`, but it adds `strength * (initial - current)` to the gradients. The gradient of
`strength / 2 * |current - initial|^2` has the opposite sign. So TFF's version pushes clients away from the global
model.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff


class ProximalOptimizer(tff.learning.optimizers.Optimizer):
    """Pulls the weights to their values in the first step (Li et al. 2020, arXiv:1812.06127).

    Args:
        optimizer: The wrapped optimizer.
        strength: FedProx's mu.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer, strength: float) -> None:
        self._optimizer, self._strength = optimizer, strength

    def initialize(self, specs: Any) -> OrderedDict[str, Any]:
        return OrderedDict(
            started=tf.constant(False),
            initial=tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), specs),
            optimizer=self._optimizer.initialize(specs),
        )

    def next(self, state: OrderedDict[str, Any], weights: Any, gradients: Any) -> tuple[OrderedDict[str, Any], Any]:
        gradients = tff.learning.optimizers.handle_indexed_slices_gradients(gradients)
        initial = tf.nest.map_structure(
            lambda kept, weight: tf.where(state["started"], kept, weight), state["initial"], weights
        )
        pulled = tf.nest.map_structure(self._pulled, gradients, weights, initial)
        inner, updated = self._optimizer.next(state["optimizer"], weights, pulled)
        return OrderedDict(started=tf.constant(True), initial=initial, optimizer=inner), updated

    def _pulled(self, gradient: tf.Tensor | None, weight: tf.Tensor, initial: tf.Tensor) -> tf.Tensor:
        term = tf.cast(self._strength, weight.dtype) * (weight - initial)
        return term if gradient is None else gradient + term
