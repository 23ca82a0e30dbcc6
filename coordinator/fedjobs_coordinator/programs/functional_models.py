"""Converts a Keras model to TFF's functional model, whose graphs have no variables."""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fedjobs_coordinator.programs import graph_checks, losses, stateless_calls
from fedjobs_coordinator.programs.losses import MetricConstructor
from fedjobs_coordinator.programs.stateless_calls import ImpureModelError

_SEED = tf.TensorSpec([2], tf.int64)


@dataclass(frozen=True)
class FunctionalModels:
    """A Keras model as a function of its weights.

    Attributes:
        training: The model for training. If `randomized`, its `x` has `features` and `seed`.
        inference: The model for evaluation.
        randomized: Whether training draws random numbers.
    """

    training: tff.learning.models.FunctionalModel
    inference: tff.learning.models.FunctionalModel
    randomized: bool


def convert(
    model: tf.keras.Model,
    loss: tf.keras.losses.Loss,
    features: Any,
    labels: tf.TensorSpec,
    metrics: OrderedDict[str, MetricConstructor],
) -> FunctionalModels:
    """Converts a model. Its weights are in the order of `trainable_variables` and `non_trainable_variables`.

    As in Keras, the loss includes regularizers and `add_loss`, in training and in evaluation.

    Args:
        model: A built model.
        loss: The loss of the outputs.
        features: The specs of a batch of features.
        labels: The spec of a batch of labels.
        metrics: The metrics. `loss` is the mean of the loss.

    Raises:
        ImpureModelError: The model has something that Keras' `fit` would do and federated training cannot. The message
            names the layer.
    """
    _check_layers(model)
    inference = _traced(model, features, training=False)
    training = _traced(model, features, training=True)
    penalized = bool(training.penalties or inference.penalties)
    randomized = training.draws > 0

    def functional(x: Any) -> tff.learning.models.FunctionalModel:
        return tff.learning.models.FunctionalModel(
            initial_weights=(
                tuple(variable.numpy() for variable in model.trainable_variables),
                tuple(variable.numpy() for variable in model.non_trainable_variables),
            ),
            predict_on_batch_fn=_predict(model, penalized=penalized, randomized=x is not features),
            loss_fn=_penalized_loss(loss) if penalized else _plain_loss(loss),
            metrics_fns=_metrics(metrics, penalized=penalized),
            input_spec=OrderedDict(x=x, y=labels),
        )

    plain = functional(features)
    seeded = functional(OrderedDict(features=features, seed=_SEED)) if randomized else plain
    return FunctionalModels(seeded, plain, randomized)


def check(model: tff.learning.models.FunctionalModel) -> None:
    """Checks the graph of an entry point's functional model.

    Raises:
        ImpureModelError: It draws random numbers from state, or has a placeholder without a value.
    """
    with tf.Graph().as_default() as graph:

        def fed(shape: Any, dtype: Any) -> tf.Tensor:
            return tf.compat.v1.placeholder(dtype, shape)

        weights = tf.nest.map_structure(
            lambda weight: fed(np.shape(weight), np.asarray(weight).dtype), model.initial_weights
        )
        x = tf.nest.map_structure(lambda spec: fed(spec.shape, spec.dtype), model.input_spec["x"])
        model.predict_on_batch(weights, x, training=True)
    inputs = [tensor.op.name for tensor in tf.nest.flatten([weights, x])]
    _check_graph(graph, inputs, lambda node: f"the operation {node!r} of the FunctionalModel")


def _check_layers(model: tf.keras.Model) -> None:
    for method in ("train_step", "compute_loss"):
        if getattr(type(model), method) is not getattr(tf.keras.Model, method):
            raise ImpureModelError(f"the model {model.name!r} ({type(model).__name__}) overrides {method}()")
    for layer in model._flatten_layers(include_self=False):
        if layer.compute_dtype == "float16":
            raise ImpureModelError(
                f"{stateless_calls.described(layer)} computes in float16, which needs Keras' loss "
                "scaling (bfloat16 and float32 do not)"
            )


def _predict(model: tf.keras.Model, *, penalized: bool, randomized: bool) -> Any:
    positions = {id(variable): i for i, variable in enumerate(model.variables)}
    order = [positions[id(v)] for v in [*model.trainable_variables, *model.non_trainable_variables]]

    @tf.function(autograph=False)
    def predict(weights, x, training=True):  # type: ignore[no-untyped-def]
        tensors = [tensor for _, tensor in sorted(zip(order, [*weights[0], *weights[1]], strict=True), key=_first)]
        features, seed = (x["features"], x["seed"]) if randomized else (x, None)
        call = stateless_calls.call(model, tensors, features, training=training, seed=seed if training else None)
        return (call.outputs, _sum(call.penalties)) if penalized else call.outputs

    return predict


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _sum(penalties: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(tf.cast(penalty, tf.float32)) for penalty in penalties] or [tf.constant(0.0)])


def _plain_loss(loss: tf.keras.losses.Loss) -> Any:
    def of_outputs(output: Any, label: Any, sample_weight: Any = None) -> tf.Tensor:
        return loss(y_true=label, y_pred=output, sample_weight=sample_weight)

    return of_outputs


def _penalized_loss(loss: tf.keras.losses.Loss) -> Any:
    def of_outputs(output: Any, label: Any, sample_weight: Any = None) -> tf.Tensor:
        outputs, penalty = output
        return loss(y_true=label, y_pred=outputs, sample_weight=sample_weight) + penalty

    return of_outputs


def _metrics(metrics: OrderedDict[str, MetricConstructor], *, penalized: bool) -> Any:
    initialize, update, finalize = losses.metric_functions(metrics)
    if not penalized:
        return initialize, update, finalize

    @tf.function(autograph=False)
    def update_penalized(state, labels, batch_output, sample_weight=None):  # type: ignore[no-untyped-def]
        outputs, penalty = batch_output.predictions
        plain = tff.learning.models.BatchOutput(
            loss=batch_output.loss, predictions=outputs, num_examples=batch_output.num_examples
        )
        updated = update(state, labels, plain, sample_weight)
        total, count = updated["loss"]  # Keras reports the mean over examples of the whole loss of their batches
        examples = tf.cast(tf.shape(outputs)[0], total.dtype)
        return OrderedDict(updated, loss=(total + examples * penalty, count))

    return initialize, update_penalized, finalize


def _traced(model: tf.keras.Model, features: Any, *, training: bool) -> stateless_calls.Call:
    """Traces a call as the shard will have it, and checks its graph.

    Raises:
        ImpureModelError: The graph draws random numbers from state, or has a placeholder without a value.
    """
    result: list[stateless_calls.Call] = []

    def traced(weights: Any, x: Any, seed: Any) -> Any:
        call = stateless_calls.call(model, weights, x, training=training, seed=seed if training else None)
        result.append(call)
        return call.outputs

    weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables]
    graph = tf.function(traced, autograph=False).get_concrete_function(weights, features, _SEED).graph
    _check_graph(graph, [tensor.op.name for tensor in graph.inputs], lambda node: _owner(model, node))
    return result[-1]


def _owner(model: tf.keras.Model, node: str) -> str:
    """Returns the innermost layer in whose name scope a node is."""
    layers = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
    found = [layers[part] for part in node.split("/") if part in layers]
    return stateless_calls.described(found[-1]) if found else f"the operation {node!r}"


def _check_graph(graph: tf.Graph, fed: Collection[str], owner: Callable[[str], str]) -> None:
    node = graph_checks.stateful_random_operation(graph)
    if node is not None:
        raise ImpureModelError(
            f"{owner(node.name)} draws random numbers from state in the process ({node.op}), "
            "so a repeated round would give another result"
        )
    placeholder = graph_checks.unfed_placeholder(graph, fed)
    if placeholder is not None:
        raise ImpureModelError(f"{owner(placeholder.name)} has an input without a value ({placeholder.op})")
