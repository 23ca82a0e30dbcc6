"""Evaluates weights in all silos at once, and computes overall metrics and the metrics of each silo."""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_coordinator.programs import clients, losses
from fedjobs_coordinator.programs.metric_history import flat
from fedjobs_coordinator.programs.models import FederatedModel
from fedjobs_coordinator.programs.program_context import ProgramContext


@dataclass(frozen=True)
class Evaluation:
    """The computations of an evaluation.

    Attributes:
        evaluate: (<ModelWeights@SERVER, {raw example*}@CLIENTS> -> sums@SERVER). The sums are `metrics`, the clients'
            metric states, `clients`, and `clientsLeftOut`, the clients whose metric states are not finite. They count
            in no metric. The sums of several silos can be added.
        finalize: (sums -> metrics). A metric that is not defined is NaN.
        label_range: The labels that the loss has, for messages.
    """

    evaluate: tff.Computation
    finalize: tff.Computation
    label_range: str = ""


def build(model: FederatedModel, batch_size: int) -> Evaluation:
    """Builds the evaluation of `model.inference`."""
    functional = model.inference

    def to_type(weights: Any) -> tuple[tff.Type, ...]:
        return tuple(tff.TensorType(weight.dtype.type, weight.shape) for weight in weights)

    weights_type = tff.types.to_type(tff.learning.models.ModelWeights(*map(to_type, functional.initial_weights)))
    examples_type = tff.SequenceType(model.example_type)

    @tff.tensorflow.computation(weights_type, examples_type)
    @tf.function
    def evaluate_client(weights, examples):  # type: ignore[no-untyped-def]
        pair = (weights.trainable, weights.non_trainable)
        sums = functional.initialize_metrics_state()
        for batch in iter(clients.batched(model, batch_size, examples)):  # an iterator loop, which can run on GPUs
            predictions = functional.predict_on_batch(pair, batch["x"], training=False)
            output = tff.learning.models.BatchOutput(
                loss=functional.loss(output=predictions, label=batch["y"]),
                predictions=predictions,
                num_examples=tf.shape(tf.nest.flatten(predictions)[0])[0],
            )
            sums = functional.update_metrics_state(sums, labels=batch["y"], batch_output=output)
        # As in training: a client whose numbers are not all finite is left out and counted.
        numbers = [part for part in tf.nest.flatten(sums) if part.dtype.is_floating]
        finite = tf.reduce_all([tf.constant(True), *(tf.reduce_all(tf.math.is_finite(part)) for part in numbers)])
        empty = functional.initialize_metrics_state()
        counted = tf.nest.map_structure(lambda part, zero: tf.where(finite, part, zero), sums, empty)
        left_out = tf.cast(tf.logical_not(finite), tf.int32)
        return OrderedDict(metrics=counted, clients=tf.constant(1), clientsLeftOut=left_out)

    @tff.federated_computation(
        tff.FederatedType(weights_type, tff.SERVER), tff.FederatedType(examples_type, tff.CLIENTS)
    )
    def evaluate(weights: Any, examples: Any) -> Any:
        at_clients = tff.federated_broadcast(weights)
        return tff.federated_sum(tff.federated_map(evaluate_client, (at_clients, examples)))

    @tff.tensorflow.computation(evaluate.type_signature.result.member)
    def finalize(sums: Any) -> Any:
        metrics = functional.finalize_metrics(sums["metrics"])
        return OrderedDict(metrics, clients=sums["clients"], clientsLeftOut=sums["clientsLeftOut"])

    return Evaluation(evaluate, finalize, model.label_range)


async def evaluate(context: ProgramContext, evaluation: Evaluation, weights: Any, examples: object) -> dict[str, float]:
    """Evaluates weights in one exchange with the silos.

    Args:
        context: The context of the program.
        evaluation: The computations.
        weights: `tff.learning.models.ModelWeights`.
        examples: A reference to the silos' data.

    Returns:
        Flat metrics: `evaluation/accuracy`, `evaluation/clientsLeftOut`, ..., and for each silo with examples
        `evaluation/silo/<name>/accuracy`, ... An undefined metric, such as AUC of one class, is absent. Silos whose
        policies allow no results over one silo are missing.

    Raises:
        FedjobsError: PROGRAM_FAILED if no client has finite metrics; errors of the context.
    """
    total, by_silo = await context.run_with_silos(evaluation.evaluate, weights, examples)
    result = flat(await context.run(evaluation.finalize, total), "evaluation")
    result = losses.labels_checked(result, "evaluation", evaluation.label_range)
    clients = int(result["evaluation/clients"])
    if clients and clients == result["evaluation/clientsLeftOut"]:
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"The evaluation gave no finite numbers for any of the {clients} clients.",
            "Look for values in the silos' data that are far too large, or lower the learning rate of the training.",
        )
    for silo in sorted(by_silo):
        prefix = f"evaluation/silo/{silo}"
        metrics = flat(await context.run(evaluation.finalize, by_silo[silo]), prefix)
        if metrics.get(f"{prefix}/examples") != 0:
            result |= losses.labels_checked(metrics, prefix, evaluation.label_range)
        elif metrics[f"{prefix}/clientsLeftOut"]:
            result |= {f"{prefix}/{name}": metrics[f"{prefix}/{name}"] for name in ("clients", "clientsLeftOut")}
    return result
