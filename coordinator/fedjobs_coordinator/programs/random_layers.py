"""Dropout whose masks are a function of its inputs.

The masks of Keras' Dropout depend on state in the silo's process. After a restart they would differ, and repeating a
round would not give the same bits. Here each batch has a seed that derives from the seed of the round, and the masks
derive from it.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_batch_seed: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar("batch_seed", default=None)

# Keras layers with randomness from state in the process, except Dropout, which is replaced.
_REFUSED_LAYERS = (
    tf.keras.layers.SpatialDropout1D,
    tf.keras.layers.SpatialDropout2D,
    tf.keras.layers.SpatialDropout3D,
    tf.keras.layers.GaussianDropout,
    tf.keras.layers.GaussianNoise,
    tf.keras.layers.AlphaDropout,
)


class SeededDropout(tf.keras.layers.Layer):
    """Dropout in training with a seed from `batch_seed`.

    Args:
        rate: The fraction of the inputs that becomes 0. The others are scaled by 1 / (1 - rate).
        position: The position of the layer in its model. Layers at different positions have different masks.
    """

    def __init__(self, rate: float, position: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._rate, self._position = rate, position

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        seed = _batch_seed.get()
        if not training or seed is None:
            return inputs
        return tf.nn.experimental.stateless_dropout(inputs, self._rate, seed=tf.add(seed, [0, self._position << 32]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self._rate, "position": self._position}


@contextlib.contextmanager
def batch_seed(seed: tf.Tensor) -> Iterator[None]:
    """Sets the seed for layers that are called in this context: int64[2], the round's seed and the batch number."""
    token = _batch_seed.set(seed)
    try:
        yield
    finally:
        _batch_seed.reset(token)


def seeded(model: tf.keras.Model) -> tuple[tf.keras.Model, bool]:
    """Replaces Keras' Dropout by seeded dropout. Returns the model with the same weights, and whether it has dropout.

    Raises:
        ValueError: The model has another source of randomness.
    """
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, _REFUSED_LAYERS) or getattr(layer, "recurrent_dropout", None):
            raise ValueError(f"the layer {layer.name!r} ({type(layer).__name__}) uses unseeded randomness")
        if isinstance(layer, tf.keras.layers.Dropout) and layer not in model.layers:
            raise ValueError(f"the layer {layer.name!r} (Dropout) is inside another layer or model")
    positions = {layer.name: i for i, layer in enumerate(model.layers) if isinstance(layer, tf.keras.layers.Dropout)}
    if not positions:
        return model, False

    def clone(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if layer.name in positions:
            return SeededDropout(layer.rate, positions[layer.name], name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    result = tf.keras.models.clone_model(model, clone_function=clone)
    result.set_weights(model.get_weights())
    return result, True
