"""What TFF's learning algorithms need of a silo is on the default allow-list."""

from __future__ import annotations

import collections
from collections.abc import Callable

import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_compute import shards
from fedjobs_compute.planner.planning import plan
from fedjobs_worker.consent.operations import ALLOWED_OPERATIONS

pytestmark = pytest.mark.training

_EXAMPLES = collections.OrderedDict(x=tf.TensorSpec([None, 8], tf.float32), y=tf.TensorSpec([None], tf.int32))


def _dense() -> tff.learning.models.VariableModel:
    return _model(tf.keras.layers.Dense(3))


def _many_layers() -> tff.learning.models.VariableModel:
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


@pytest.mark.parametrize(
    "build",
    [
        lambda: (
            tff.learning.algorithms.build_weighted_fed_avg(
                _many_layers, client_optimizer_fn=tff.learning.optimizers.build_adam(0.1)
            ).next
        ),
        lambda: (
            tff.learning.algorithms.build_weighted_fed_avg(
                _dense,
                client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
                model_aggregator=tff.learning.compression_aggregator(),
            ).next
        ),
        lambda: tff.learning.algorithms.build_fed_eval(_dense).next,
        lambda: tff.learning.algorithms.build_fed_kmeans(3, (4,)).next,
    ],
    ids=["layers", "compression", "evaluation", "kmeans"],
)
def test_a_silo_runs_it_without_a_policy_of_its_own(build: Callable[[], tff.Computation]) -> None:
    needed = set().union(*(shards.operations(shards.parse(stage.shard)) for stage in plan(build()).stages))
    assert needed
    assert sorted(needed - ALLOWED_OPERATIONS) == []
