"""How a client's raw examples become batches, inside the shard.

It is part of the computation, so a silo sees it, and nobody else has to know it. What is random in it comes from a seed
that is broadcast with the round: a silo that runs a round again shuffles as it did.
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
    """All batches of one round: shuffled anew in each epoch, the epochs one after another, then batched.

    Args:
        model: That is trained.
        client: Epochs, batch size and buffer.
        seed: Of the round, int64.
        examples: Raw.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        if not client.shuffle_buffer:
            return examples
        # Each epoch has a seed of its own, rather than `reshuffle_each_iteration`: that is state, and whether it can be
        # kept when tf.data rewrites the pipeline differs between versions.
        return examples.shuffle(client.shuffle_buffer, seed=seed + number, reshuffle_each_iteration=False)

    epochs = tf.data.Dataset.range(client.epochs).flat_map(epoch)
    batches = batched(model, client.batch_size, epochs)
    if not model.randomized:
        return batches

    def with_seed(number: tf.Tensor, batch: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
        x = OrderedDict(features=batch["x"], seed=tf.stack([seed, number]))
        return OrderedDict(x=x, y=batch["y"])

    return batches.enumerate().map(with_seed)


def batched(model: FederatedModel, batch_size: int, examples: tf.data.Dataset) -> tf.data.Dataset:
    """Batches in the order of the examples; the last may be smaller."""

    def labelled(batch: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
        return OrderedDict(x=batch["x"], y=model.to_labels(batch["y"]))

    return examples.batch(batch_size).map(labelled)
