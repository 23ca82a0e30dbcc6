"""Builds federated averaging as one computation, from raw examples in the silos to the next state."""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.programs.fedavg import FedAvgParameters

from fedjobs_coordinator.programs import clients, optimizers, seeds
from fedjobs_coordinator.programs.constraints import ConstrainedOptimizer
from fedjobs_coordinator.programs.models import FederatedModel
from fedjobs_coordinator.programs.proximal import ProximalOptimizer
from fedjobs_coordinator.programs.weightings import CountingMean

_ITERATOR = tff.learning.LoopImplementation.DATASET_ITERATOR
"""The loop that also runs on GPUs, because `tf.device` does not cross dataset operations. All devices run one shard."""


class TrainingState(NamedTuple):
    """The state between rounds.

    Attributes:
        round: The number of finished rounds, int64.
        seed: The seed of the job, int64. It is an input of the shard, not a constant in it.
        learning: The state of TFF's learning process, with the global model and the server optimizer's state.
    """

    round: Any
    seed: Any
    learning: Any


@dataclass(frozen=True)
class Training:
    """The computations of a training.

    Attributes:
        initialize: ( -> TrainingState@SERVER)
        next: (<TrainingState@SERVER, {raw example*}@CLIENTS> -> <TrainingState@SERVER, measurements@SERVER>). The
            measurements are `train` (metrics), `clients`, `left_out` and `finite` (whether all new weights are finite).
        model_weights: (TrainingState -> tff.learning.models.ModelWeights)
    """

    initialize: tff.Computation
    next: tff.Computation
    model_weights: tff.Computation


def build(model: FederatedModel, parameters: FedAvgParameters) -> Training:
    """Combines TFF's learning process with the preparation of batches in the silos and the seed of the round."""
    process = _learning_process(model, parameters)
    learning_type = process.initialize.type_signature.result.member
    examples_type = tff.SequenceType(model.example_type)
    batches_type = process.next.type_signature.parameter[1].member

    @tff.federated_computation
    def initialize() -> Any:
        start, seed = (tff.federated_value(np.int64(value), tff.SERVER) for value in (0, parameters.seed))
        return tff.federated_zip(TrainingState(start, seed, process.initialize()))

    state_type = initialize.type_signature.result.member

    @tff.tensorflow.computation(state_type)
    def round_seed(state: TrainingState) -> tf.Tensor:
        return seeds.derived(state.seed, state.round)

    @tff.tensorflow.computation(np.int64, examples_type)
    def batches(seed: tf.Tensor, examples: tf.data.Dataset) -> tf.data.Dataset:
        return clients.training_batches(model, parameters.client, seed, examples)

    if not batches.type_signature.result.is_equivalent_to(batches_type):
        raise TypeError(f"batches have type {batches.type_signature.result}, the model expects {batches_type}")

    @tff.tensorflow.computation(np.int64)
    def following(number: tf.Tensor) -> tf.Tensor:
        return number + 1

    @tff.tensorflow.computation(learning_type)
    def is_finite(learning: Any) -> tf.Tensor:
        weights = tf.nest.flatten(process.get_model_weights(learning).trainable)
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(weight)) for weight in weights])

    @tff.federated_computation(tff.FederatedType(state_type, tff.SERVER), tff.FederatedType(examples_type, tff.CLIENTS))
    def next_round(state: Any, examples: Any) -> Any:
        seed = tff.federated_broadcast(tff.federated_map(round_seed, state))
        output = process.next(state.learning, tff.federated_map(batches, (seed, examples)))
        following_state = TrainingState(tff.federated_map(following, state.round), state.seed, output.state)
        measurements = OrderedDict(
            train=output.metrics["client_work"]["train"],
            clients=output.metrics["aggregator"]["clients"],
            left_out=output.metrics["aggregator"]["left_out"],
            finite=tff.federated_map(is_finite, output.state),
        )
        return tff.federated_zip(following_state), tff.federated_zip(measurements)

    @tff.tensorflow.computation(state_type)
    def model_weights(state: TrainingState) -> Any:
        return process.get_model_weights(state.learning)

    return Training(initialize, next_round, model_weights)


def _learning_process(model: FederatedModel, parameters: FedAvgParameters) -> tff.learning.templates.LearningProcess:
    client, weighting = parameters.client, parameters.weighting
    optimizer = optimizers.build(client, client.learning_rate)
    if client.proximal_strength > 0:
        optimizer = ProximalOptimizer(optimizer, client.proximal_strength)
    server_optimizer = optimizers.build(parameters.server, parameters.server.learning_rate)
    if any(model.constraints):
        # The mean of constrained weights can violate a constraint, and so can a server optimizer.
        optimizer = ConstrainedOptimizer(optimizer, model.constraints)
        server_optimizer = ConstrainedOptimizer(server_optimizer, model.constraints)
    by = tff.learning.ClientWeighting
    # A client's weight is the number of examples in its training, which counts each example once per epoch.
    cap = None if weighting.cap is None else float(weighting.cap * client.epochs)
    return tff.learning.algorithms.build_weighted_fed_avg(
        model.training,
        client_optimizer_fn=optimizer,
        server_optimizer_fn=server_optimizer,
        client_weighting=by.UNIFORM if weighting.by == "uniform" else by.NUM_EXAMPLES,
        model_aggregator=CountingMean(cap),
        loop_implementation=_ITERATOR,
    )
