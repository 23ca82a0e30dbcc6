"""The parameters of a program's model: layers or an entry point, the loss and the metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fedjobs_common.programs.base import Parameters, PositiveInt, refuse
from fedjobs_common.programs.keras_layers import Dense, Layer

LossName = Literal[
    "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy",
    "mean_squared_error", "mse", "mean_absolute_error", "mae", "huber",
]  # fmt: skip
MetricName = Literal["accuracy", "auc", "mean_squared_error", "mse", "mean_absolute_error", "mae"]

CROSS_ENTROPIES = {
    "sparse_categorical_crossentropy": "softmax",
    "categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
}
"""The losses over probabilities, each with the activation that converts logits to probabilities."""

_METRICS = {
    "sparse_categorical_crossentropy": ("accuracy",),
    "categorical_crossentropy": ("accuracy",),
    "binary_crossentropy": ("accuracy", "auc"),
}
_REGRESSION_METRICS = ("mean_squared_error", "mse", "mean_absolute_error", "mae")


class KerasModel(Parameters):
    """A sequence of Keras layers."""

    input: Annotated[list[PositiveInt], Field(min_length=1, max_length=6)]
    """The shape of one example's features. `[64]` means 64 columns."""
    input_dtype: Literal["float32", "int32", "int64"] | None = None
    """The dtype of the features. Defaults to int32 if the first layer is an Embedding, otherwise to float32."""
    layers: Annotated[list[Layer], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> KerasModel:
        names = [layer.arguments.name for layer in self.layers if layer.arguments.name]
        for name in names:
            if names.count(name) > 1:
                refuse(f"two layers are named {name!r}", "Give each layer a unique name, or no name.")
        return self

    @property
    def features_dtype(self) -> str:
        return self.input_dtype or ("int32" if self.layers[0].kind == "Embedding" else "float32")

    @property
    def output_activation(self) -> str:
        """The last activation before the loss. `linear` if there is none."""
        return next((a for layer in reversed(self.layers) if (a := layer.output_activation) is not None), "linear")


class ModelParameters(Parameters):
    """The model. Set exactly one of `keras` and `entrypoint`."""

    keras: KerasModel | None = None
    entrypoint: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    """A function, as `module:function`, that returns a Keras model or a `tff.learning.models.FunctionalModel`.

    It runs at the coordinator only. If it has a parameter `seed`, it is called with the job's seed.
    """
    loss: LossName | None = None
    """The loss. Omit it only if the entry point returns a FunctionalModel, which has its own loss."""
    metrics: list[MetricName] = Field(default_factory=list)
    """Additional metrics. The loss and the number of examples are always reported."""

    @model_validator(mode="after")
    def _one_source(self) -> ModelParameters:
        if (self.keras is None) == (self.entrypoint is None):
            refuse("exactly one of keras and entrypoint is required", "Set keras or entrypoint, not both.")
        if self.keras is not None and self.loss is None:
            refuse("a Keras model needs a loss", "Add loss: sparse_categorical_crossentropy, for example.")
        return self

    @model_validator(mode="after")
    def _metrics_fit_the_loss(self) -> ModelParameters:
        if self.loss is None:
            return self
        allowed = _METRICS.get(self.loss, _REGRESSION_METRICS)
        for metric in self.metrics:
            if metric not in allowed:
                refuse(f"the metric {metric} does not apply to {self.loss}", f"Choose from: {', '.join(allowed)}.")
        return self

    @model_validator(mode="after")
    def _output_fits_the_loss(self) -> ModelParameters:
        if self.keras is None or self.loss is None:
            return self
        activation, probabilities = self.keras.output_activation, CROSS_ENTROPIES.get(self.loss)
        if probabilities and activation not in ("linear", probabilities):
            refuse(
                f"{self.loss} needs logits or probabilities, and the last activation is {activation}",
                f"Use activation: {probabilities} in the last layer, or no activation.",
            )
        last = self.keras.layers[-1].arguments
        several = self.loss in ("sparse_categorical_crossentropy", "categorical_crossentropy")
        if isinstance(last, Dense) and several and last.units == 1:
            refuse(
                f"{self.loss} needs one output for each class, and the last layer has units: 1",
                "Set units to the number of classes, or use loss: binary_crossentropy.",
            )
        if isinstance(last, Dense) and not several and last.units != 1:
            refuse(f"{self.loss} needs one output, and the last layer has units: {last.units}", "Set its units to 1.")
        return self

    @property
    def from_logits(self) -> bool | None:
        """Whether the outputs are logits. None if it depends on the entry point's model."""
        return None if self.keras is None else self.keras.output_activation == "linear"

    @property
    def has_classes(self) -> bool:
        """Whether labels are numbers of classes, from 0."""
        return self.loss in CROSS_ENTROPIES

    @property
    def classes(self) -> int | None:
        """The number of classes. None for a regression, and if only the built model knows it."""
        if self.loss == "binary_crossentropy":
            return 2
        last = None if self.keras is None else self.keras.layers[-1].arguments
        return last.units if self.has_classes and isinstance(last, Dense) else None
