"""Builds a job's model for use in TFF computations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import PATH
from fedjobs_common.programs.models import CROSS_ENTROPIES, ModelParameters

from fedjobs_coordinator.programs import entrypoints, functional_models, layers, losses
from fedjobs_coordinator.programs.constraints import Constraint
from fedjobs_coordinator.programs.layers import first_sentence
from fedjobs_coordinator.programs.stateless_calls import ImpureModelError

FIELD = f"{PATH}.model"

_IMPURE = "Remove it, freeze it (`layer.trainable = False`), or use a layer whose output is a function of its inputs."


@dataclass(frozen=True)
class FederatedModel:
    """A model, and the conversion of a silo's raw examples to its batches.

    Attributes:
        training: The model for training, without variables. Its batches are `x` and `y`. If `randomized`, `x` has
            `features` and `seed`.
        inference: The same model without dropout. `x` is the features.
        example_type: The type of one raw example in a silo: OrderedDict(x, y).
        to_labels: Converts a batch of raw labels to the model's labels.
        randomized: Whether training needs a seed with each batch.
        keras: The Keras model to export. None for an entry point's FunctionalModel.
        constraints: For each trainable weight of a Keras model, what is applied to it after each step.
        label_range: The labels that the loss has, for messages. Empty for a FunctionalModel.
    """

    training: tff.learning.models.FunctionalModel
    inference: tff.learning.models.FunctionalModel
    example_type: tff.Type
    to_labels: Callable[[tf.Tensor], tf.Tensor]
    randomized: bool
    keras: tf.keras.Model | None
    constraints: tuple[Constraint, ...] = ()
    label_range: str = ""


def build(parameters: ModelParameters, seed: int) -> FederatedModel:
    """Builds the model that a job describes.

    Args:
        parameters: The parameters of the model.
        seed: The seed of the job, which determines the initial weights.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER.
    """
    if parameters.keras is not None:
        return _from_keras(layers.build(parameters.keras, seed), parameters)
    field = f"{FIELD}.entrypoint"
    # Initializers of entry points usually have no seed. Then they use the global seed.
    tf.keras.utils.set_random_seed(seed)
    tf.keras.backend.reset_uids()
    model = entrypoints.call(str(parameters.entrypoint), field, seed=seed)
    if isinstance(model, tff.learning.models.FunctionalModel):
        return _from_functional(model, parameters)
    if not isinstance(model, tf.keras.Model):
        raise _invalid(
            field, f"the function returned a {type(model).__name__}", "Return a Keras model or a FunctionalModel."
        )
    if parameters.loss is None:
        raise _invalid(f"{FIELD}.loss", "it is missing, and a Keras model needs one", "Add it.")
    if not model.built or not hasattr(model, "inputs") or model.inputs is None:
        raise _invalid(field, "the model's inputs are unknown", "Build the model from tf.keras.Input(shape=...).")
    return _from_keras(model, parameters)


def _from_keras(model: tf.keras.Model, parameters: ModelParameters) -> FederatedModel:
    loss_name = str(parameters.loss)
    outputs = _outputs(model, loss_name)
    from_logits = _from_logits(model) if parameters.from_logits is None else parameters.from_logits
    loss = losses.loss(loss_name, from_logits=from_logits)
    metrics = losses.metrics(loss_name, parameters.metrics, from_logits=from_logits)
    features = _features(model)
    specification = OrderedDict(x=features, y=losses.label_spec(loss_name, outputs))
    try:
        functional = functional_models.convert(model, loss, features, specification["y"], metrics)
    except ImpureModelError as error:
        raise _invalid(FIELD, str(error), _IMPURE) from error
    except Exception as error:
        raise _invalid(FIELD, f"the model cannot be called: {first_sentence(error)}", "Correct the model.") from error
    example = OrderedDict(x=tf.nest.map_structure(_of_one, features), y=losses.label_type(loss_name))
    return FederatedModel(
        training=functional.training,
        inference=functional.inference,
        example_type=tff.types.to_type(example),
        to_labels=lambda labels: losses.to_labels(loss_name, labels, outputs),
        randomized=functional.randomized,
        keras=model,
        label_range=losses.label_range(loss_name, outputs),
        constraints=tuple(variable.constraint for variable in model.trainable_variables),
    )


def _from_functional(model: tff.learning.models.FunctionalModel, parameters: ModelParameters) -> FederatedModel:
    if parameters.loss is not None or parameters.metrics:
        raise _invalid(FIELD, "a FunctionalModel has its own loss and metrics", "Remove loss and metrics.")
    specification = model.input_spec
    x, y = (specification["x"], specification["y"]) if isinstance(specification, dict) else specification
    named = tff.learning.models.FunctionalModel(
        initial_weights=model.initial_weights,
        predict_on_batch_fn=model.predict_on_batch,
        loss_fn=model.loss,
        metrics_fns=(model.initialize_metrics_state, model.update_metrics_state, model.finalize_metrics),
        input_spec=OrderedDict(x=x, y=y),
    )
    try:
        functional_models.check(named)
    except ImpureModelError as error:
        raise _invalid(FIELD, str(error), "Use tf.random.stateless_* operations, or none.") from error
    return FederatedModel(
        training=named,
        inference=named,
        example_type=tff.types.to_type(OrderedDict(x=tf.nest.map_structure(_of_one, x), y=_of_one(y))),
        to_labels=lambda labels: labels,
        randomized=False,
        keras=None,
    )


def _features(model: tf.keras.Model) -> tf.TensorSpec | OrderedDict[str, tf.TensorSpec]:
    def spec(tensor: tf.Tensor) -> tf.TensorSpec:
        return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)

    if isinstance(model.input, dict):
        return OrderedDict((name, spec(model.input[name])) for name in sorted(model.input))
    if isinstance(model.input, list | tuple):
        raise _invalid(f"{FIELD}.entrypoint", "the model's inputs have no names", "Build it from a dict of inputs.")
    return spec(model.input)


def _outputs(model: tf.keras.Model, loss_name: str) -> int:
    shape = getattr(model.output, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] is None:
        shown = "several outputs" if shape is None else f"outputs of shape {list(shape)[1:]}"
        raise _invalid(FIELD, f"the model has {shown}, not one vector for each example", "End with Flatten and Dense.")
    outputs = int(shape[1])
    one_for_each_class = loss_name in ("sparse_categorical_crossentropy", "categorical_crossentropy")
    if one_for_each_class != (outputs > 1):
        wanted = "one output for each class" if one_for_each_class else "one output"
        raise _invalid(FIELD, f"{loss_name} needs {wanted}, the model has {outputs}", "Change the last layer's units.")
    return outputs


def _from_logits(model: tf.keras.Model) -> bool:
    """Returns whether the outputs of an entry point's model are logits, from its last layer."""
    last = model.layers[-1]
    if isinstance(last, tf.keras.layers.Softmax):
        return False
    activation = getattr(last, "activation", None)
    name = "linear" if activation is None else tf.keras.activations.serialize(activation)
    return name not in CROSS_ENTROPIES.values()


def _of_one(spec: tf.TensorSpec) -> tff.TensorType:
    """Returns the type of one example from the spec of a batch."""
    dtype = np.str_ if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
    return tff.TensorType(dtype, tuple(spec.shape[1:]))


def _invalid(field: str, reason: str, remedy: str) -> FedjobsError:
    return FedjobsError(ErrorCode.INVALID_PROGRAM_PARAMETER, f"{field}: {reason}.", remedy)
