"""Converts a client's raw examples to batches, inside the shard.

This is part of the computation, so silos can review it. Shuffling uses a seed that is broadcast with the round, so a
silo that runs a round again shuffles in the same way.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import tensorflow as tf
from fedjobs_common.programs.fedavg import ClientParameters

from fedjobs_coordinator.programs.models import FederatedModel


def training_batches(
    model: FederatedModel, client: ClientParameters, seed: tf.Tensor, examples: tf.data.Dataset
) -> tf.data.Dataset:
    """Returns all batches of one round. Each epoch is shuffled, the epochs are concatenated, and then batched.

    Args:
        model: The trained model.
        client: The number of epochs, the batch size and the shuffle buffer.
        seed: The seed of the round, int64.
        examples: The raw examples.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        if not client.shuffle_buffer:
            return examples
        # Each epoch has a separate seed. `reshuffle_each_iteration` would keep state, which depends on how a version of
        # tf.data rewrites the pipeline.
        return examples.shuffle(client.shuffle_buffer, seed=seed + number, reshuffle_each_iteration=False)

    epochs = tf.data.Dataset.range(client.epochs).flat_map(epoch)
    batches = batched(model, client.batch_size, epochs)
    if not model.randomized:
        return batches

    def with_seed(number: tf.Tensor, batch: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
        x = OrderedDict(features=batch["x"], seed=tf.stack([seed, number]))
        return OrderedDict(x=x, y=batch["y"])

    # `enumerate` would give the same, and ask tf.data to rewrite the numbers when data are split between machines.
    return tf.data.Dataset.zip((tf.data.Dataset.range(tf.int64.max), batches)).map(with_seed)


def batched(model: FederatedModel, batch_size: int, examples: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches in the order of the examples. The last batch may be smaller."""

    def labelled(batch: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
        return OrderedDict(x=batch["x"], y=model.to_labels(batch["y"]))

    return examples.batch(batch_size).map(labelled)
