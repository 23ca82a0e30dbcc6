"""Models of tff.learning for tests."""

from __future__ import annotations

import collections

import tensorflow as tf
import tensorflow_federated as tff

_EXAMPLES = collections.OrderedDict(x=tf.TensorSpec([None, 8], tf.float32), y=tf.TensorSpec([None], tf.int32))


def dense() -> tff.learning.models.VariableModel:
    return _model(tf.keras.layers.Dense(3))


def many_layers() -> tff.learning.models.VariableModel:
    layers = tf.keras.layers
    return _model(
        layers.Reshape((8, 1)),
        layers.Conv1D(4, 3, activation="relu"),
        layers.MaxPool1D(2),
        layers.Dropout(0.2),
        layers.LSTM(4, return_sequences=True),
        layers.GRU(3),
        layers.Dense(3, activation="gelu"),
    )


def _model(*layers: tf.keras.layers.Layer) -> tff.learning.models.VariableModel:
    return tff.learning.models.from_keras_model(
        tf.keras.Sequential([tf.keras.layers.InputLayer(input_shape=(8,)), *layers]),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        input_spec=_EXAMPLES,
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )
