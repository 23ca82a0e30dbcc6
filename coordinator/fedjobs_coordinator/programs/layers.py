"""Builds a Keras model from a list of layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import PATH
from fedjobs_common.programs.keras_layers import Layer
from fedjobs_common.programs.models import KerasModel

from fedjobs_coordinator.programs import seeds

_SEEDS_PER_LAYER = 4
_INITIALIZERS = ("kernel_initializer", "recurrent_initializer", "embeddings_initializer")


def build(parameters: KerasModel, seed: int) -> tf.keras.Model:
    """Builds a model whose weights are initialized from the seed. Each process gives the same bits.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER. The message names the layer that does not fit its inputs.
    """
    # Keras names inner layers (such as an LSTM's cell) by a global counter, and the names are part of the result.
    tf.keras.backend.reset_uids()
    inputs = tf.keras.Input(shape=parameters.input, dtype=parameters.features_dtype, name="x")
    outputs = inputs
    for position, layer in enumerate(parameters.layers):
        try:
            outputs = _layer(layer, position, seed)(outputs)
        except (ValueError, TypeError) as error:
            raise FedjobsError(
                ErrorCode.INVALID_PROGRAM_PARAMETER,
                f"{PATH}.model.keras.layers[{position}].{layer.kind} does not fit its inputs of shape "
                f"{list(outputs.shape)[1:]}: {first_sentence(error)}.",
                "Change the layer's arguments, or the layers before it.",
            ) from error
    return tf.keras.Model(inputs, outputs, name="model")


def _layer(layer: Layer, position: int, seed: int) -> tf.keras.layers.Layer:
    arguments: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in layer.arguments.model_dump(exclude_none=True).items()
    }
    arguments.setdefault("name", f"{_snake(layer.kind)}_{position}")
    constructor: Callable[..., Any] = getattr(tf.keras.layers, layer.kind)
    config = constructor(**arguments).get_config()
    for i, name in enumerate(_INITIALIZERS):
        if name in config:
            layer_seed = seeds.derived(seed, position * _SEEDS_PER_LAYER + i)
            arguments[name] = _initializer(config[name], layer_seed)
    return constructor(**arguments)


def _initializer(config: dict[str, Any], seed: int) -> tf.keras.initializers.Initializer:
    initializer = tf.keras.initializers.deserialize(config)
    arguments = initializer.get_config()
    return type(initializer).from_config({**arguments, "seed": seed} if "seed" in arguments else arguments)


def _snake(kind: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", kind).lower().replace("2_d", "2d")


def first_sentence(error: Exception) -> str:
    """Returns the first sentence of a Keras error, which has many lines about the call."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not _is_frame(line)]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _is_frame(line: str) -> bool:
    """Returns whether a line says only where an error happened."""
    return "Exception encountered" in line or line.startswith("in user code")
