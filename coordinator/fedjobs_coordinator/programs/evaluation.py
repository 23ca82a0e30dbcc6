"""Evaluates weights in all silos at once, and computes overall metrics and the metrics of each silo."""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from fedjobs_coordinator.programs import clients
from fedjobs_coordinator.programs.metric_history import flat
from fedjobs_coordinator.programs.models import FederatedModel
from fedjobs_coordinator.programs.program_context import ProgramContext


@dataclass(frozen=True)
class Evaluation:
    """The computations of an evaluation.

    Attributes:
        evaluate: (<ModelWeights@SERVER, {raw example*}@CLIENTS> -> sums@SERVER). It sums the clients' metric states.
            The sums of several silos can be added.
        finalize: (sums -> metrics)
    """

    evaluate: tff.Computation
    finalize: tff.Computation


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
        return sums

    @tff.federated_computation(
        tff.FederatedType(weights_type, tff.SERVER), tff.FederatedType(examples_type, tff.CLIENTS)
    )
    def evaluate(weights: Any, examples: Any) -> Any:
        at_clients = tff.federated_broadcast(weights)
        return tff.federated_sum(tff.federated_map(evaluate_client, (at_clients, examples)))

    finalize = tff.tensorflow.computation(functional.finalize_metrics, evaluate.type_signature.result.member)
    return Evaluation(evaluate, finalize)


async def evaluate(context: ProgramContext, evaluation: Evaluation, weights: Any, examples: object) -> dict[str, float]:
    """Evaluates weights in one exchange with the silos.

    Args:
        context: The context of the program.
        evaluation: The computations.
        weights: `tff.learning.models.ModelWeights`.
        examples: A reference to the silos' data.

    Returns:
        Flat metrics: `evaluation/accuracy`, ..., and for each silo with examples `evaluation/silo/<name>/accuracy`, ...
        Silos whose policies allow no results over one silo are missing.

    Raises:
        FedjobsError: Errors of the context.
    """
    total, by_silo = await context.run_with_silos(evaluation.evaluate, weights, examples)
    result = flat(await context.run(evaluation.finalize, total), "evaluation")
    for silo in sorted(by_silo):
        metrics = flat(await context.run(evaluation.finalize, by_silo[silo]), f"evaluation/silo/{silo}")
        if metrics.get(f"evaluation/silo/{silo}/examples") != 0:
            result |= metrics
    return result
