"""Losses and metrics by name, and the labels that they need."""

# mypy: allow-untyped-decorators
# TensorFlow's decorators have no types.
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs.models import CROSS_ENTROPIES

MetricConstructor: TypeAlias = Any
"""`() -> tf.keras.metrics.Metric`, for which Keras has no type. Usually the class itself."""

LABELS_OUTSIDE = "labelsOutside"
"""The metric that counts labels that are no class of the loss. It is 0 in a result, and an error otherwise."""

_LONG_NAMES = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}
_LOSSES = {
    "sparse_categorical_crossentropy": tf.keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": tf.keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": tf.keras.losses.BinaryCrossentropy,
    "mean_squared_error": tf.keras.losses.MeanSquaredError,
    "mean_absolute_error": tf.keras.losses.MeanAbsoluteError,
    "huber": tf.keras.losses.Huber,
}


def loss(name: str, *, from_logits: bool) -> tf.keras.losses.Loss:
    """Returns the loss, as the mean over a batch."""
    arguments = {"from_logits": from_logits} if name in CROSS_ENTROPIES else {}
    if name == "sparse_categorical_crossentropy":
        return _ClippedLabels(**arguments)
    return _LOSSES[_LONG_NAMES.get(name, name)](**arguments)


def metrics(loss_name: str, names: Sequence[str], *, from_logits: bool) -> OrderedDict[str, MetricConstructor]:
    """Returns the constructors of all metrics: the named metrics, the loss, and the number of examples."""
    result: OrderedDict[str, MetricConstructor] = OrderedDict()
    result["loss"] = lambda: _LossMetric(loss(loss_name, from_logits=from_logits))
    result["examples"] = tff.learning.metrics.NumExamplesCounter
    if loss_name in CROSS_ENTROPIES:
        result[LABELS_OUTSIDE] = _LabelsOutside
    for name in names:
        result[name] = _metric(name, loss_name, from_logits)
    return result


def metric_functions(constructors: OrderedDict[str, MetricConstructor]) -> tuple[Any, Any, Any]:
    """Returns TFF's functions of metrics: initialize, update, finalize. An undefined metric is NaN, where Keras has 0.

    Args:
        constructors: The constructors of `metrics`.
    """
    initialize, update, finalize = tff.learning.metrics.create_functional_metric_fns(constructors)

    @tf.function(autograph=False)
    def finalize_defined(state):  # type: ignore[no-untyped-def]
        values = finalize(state)
        return OrderedDict(
            (name, tf.where(_is_defined(name, state[name]), value, float("nan")) if value.dtype.is_floating else value)
            for name, value in values.items()
        )

    return initialize, update, finalize_defined


def label_type(loss_name: str) -> tff.TensorType:
    """Returns the type of one raw label in a silo: the class or the value."""
    return tff.TensorType(np.int32 if loss_name in CROSS_ENTROPIES else np.float32)


def label_range(loss_name: str, outputs: int) -> str:
    """Returns the range of labels that a loss accepts, for messages."""
    return "0 or 1" if loss_name == "binary_crossentropy" else f"0 to {outputs - 1}"


def labels_checked(metrics: Mapping[str, float], where: str, wanted: str) -> dict[str, float]:
    """Returns flat metrics without the count of labels outside of the range.

    Args:
        metrics: Flat metrics of all silos together.
        where: `train` or `evaluation`.
        wanted: The labels that the loss has.

    Raises:
        FedjobsError: PROGRAM_FAILED if there are such labels. With them, the loss has another meaning.
    """
    count, examples = int(metrics.get(f"{where}/{LABELS_OUTSIDE}", 0)), int(metrics.get(f"{where}/examples", 0))
    if 0 < count <= examples:  # a rehearsal has made-up counts, the later of which is larger
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"{count} of {examples} labels are outside of the range of the loss, which is {wanted}.",
            "Number the classes from 0 in the silos' data, or correct the loss or the last layer. In a silo, "
            "`fedjobs validate --data` names the dataset and the column.",
        )
    return {name: value for name, value in metrics.items() if not name.endswith(f"/{LABELS_OUTSIDE}")}


def label_spec(loss_name: str, outputs: int) -> tf.TensorSpec:
    """Returns the spec of a batch of labels for the loss."""
    if loss_name == "sparse_categorical_crossentropy":
        return tf.TensorSpec([None], tf.int32)
    return tf.TensorSpec([None, outputs], tf.float32)


def to_labels(loss_name: str, labels: tf.Tensor, outputs: int) -> tf.Tensor:
    """Converts a batch of raw labels to labels of `label_spec`."""
    if loss_name == "sparse_categorical_crossentropy":
        return labels
    if loss_name == "categorical_crossentropy":
        return tf.one_hot(labels, outputs)
    return tf.cast(labels, tf.float32)[:, tf.newaxis]


class _ClippedLabels(tf.keras.losses.SparseCategoricalCrossentropy):
    """The loss, with labels in its range. TensorFlow fails on others on a CPU, and gives NaN on a GPU."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return super().call(tf.clip_by_value(y_true, 0, y_pred.shape[-1] - 1), y_pred)


class _LabelsOutside(tf.keras.metrics.Sum):
    """Counts the labels that are no class of the loss. Labels are in the form of `label_spec`."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> Any:
        del sample_weight
        if len(y_true.shape) == 1:
            outside = (y_true < 0) | (y_true >= y_pred.shape[-1])
        elif y_true.shape[-1] == 1:
            # In graphs of TensorFlow 1, which TFF makes, `==` compares objects.
            outside = tf.not_equal(y_true, 0) & tf.not_equal(y_true, 1)
        else:  # tf.one_hot has a row of zeros for such a label
            outside = tf.equal(tf.reduce_sum(y_true, -1), 0)
        return super().update_state(tf.cast(outside, tf.float32))


class _LossMetric(tf.keras.metrics.MeanMetricWrapper):
    """The mean of a loss over examples. TFF adds metric states and divides once, so batch sizes may differ."""

    def __init__(self, loss_object: tf.keras.losses.Loss) -> None:
        each = type(loss_object).from_config({**loss_object.get_config(), "reduction": "none"})
        super().__init__(lambda y_true, y_pred: each(y_true, y_pred), name="loss")


class _AUC(tf.keras.metrics.AUC):
    """Keras' AUC, which does not fail on a prediction that is not finite. The loss of such a client is not finite."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> Any:
        finite = tf.where(tf.math.is_finite(y_pred), y_pred, tf.zeros_like(y_pred))
        return super().update_state(y_true, finite, sample_weight)


def _is_defined(name: str, state: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns whether a metric is defined: a mean needs an example, AUC needs a positive and a negative one."""
    if name in ("examples", LABELS_OUTSIDE):
        return tf.constant(True)
    if name == "auc":
        true_positives, true_negatives, false_positives, false_negatives = (part[0] for part in state)
        return (true_positives + false_negatives > 0) & (false_positives + true_negatives > 0)
    _, count = state
    return count > 0


def _metric(name: str, loss_name: str, from_logits: bool) -> MetricConstructor:
    match _LONG_NAMES.get(name, name):
        case "accuracy" if loss_name == "sparse_categorical_crossentropy":
            return tf.keras.metrics.SparseCategoricalAccuracy
        case "accuracy" if loss_name == "categorical_crossentropy":
            return tf.keras.metrics.CategoricalAccuracy
        case "accuracy":
            return lambda: tf.keras.metrics.BinaryAccuracy(threshold=0.0 if from_logits else 0.5)
        case "auc":
            return lambda: _AUC(from_logits=from_logits)
        case "mean_squared_error":
            return tf.keras.metrics.MeanSquaredError
        case "mean_absolute_error":
            return tf.keras.metrics.MeanAbsoluteError
        case other:
            raise ValueError(f"no metric {other}")
