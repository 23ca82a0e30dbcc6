"""The Keras layers that a job can use, and their arguments.

This is an allow-list. These layers have no state except trainable weights, so a client's training is a function of its
inputs. Layers have the names of Keras (`Conv2D`), and arguments too, in camelCase (`kernelSize`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fedjobs_common.programs.base import Fraction, Parameters, PositiveInt, PositiveNumber, refuse

ActivationName = Literal[
    "linear", "relu", "relu6", "elu", "selu", "gelu", "tanh", "sigmoid", "hard_sigmoid",
    "softmax", "softplus", "softsign", "swish", "exponential",
]  # fmt: skip
InitializerName = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "truncated_normal", "random_normal", "random_uniform", "orthogonal", "zeros", "ones",
]  # fmt: skip
Padding = Literal["valid", "same"]


def _pair(value: object) -> object:
    return [value, value] if isinstance(value, int) else value


Pair = Annotated[list[PositiveInt], BeforeValidator(_pair), Field(min_length=2, max_length=2)]
"""Height and width. A single number sets both."""


class LayerArguments(Parameters):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = None
    """The name of the layer's weights in the result. Defaults to the kind and position, such as `dense_0`."""


class Dense(LayerArguments):
    units: PositiveInt
    activation: ActivationName = "linear"
    use_bias: bool = True
    kernel_initializer: InitializerName = "glorot_uniform"


class Conv2D(LayerArguments):
    filters: PositiveInt
    kernel_size: Pair
    strides: Pair = Field(default_factory=lambda: [1, 1])
    padding: Padding = "valid"
    dilation_rate: Pair = Field(default_factory=lambda: [1, 1])
    groups: PositiveInt = 1
    activation: ActivationName = "linear"
    use_bias: bool = True
    kernel_initializer: InitializerName = "glorot_uniform"


class Pooling2D(LayerArguments):
    """`MaxPooling2D` and `AveragePooling2D`."""

    pool_size: Pair = Field(default_factory=lambda: [2, 2])
    strides: Pair | None = None
    """Defaults to `poolSize`."""
    padding: Padding = "valid"


class WithoutArguments(LayerArguments):
    """`Flatten` and `GlobalAveragePooling2D`."""


class Reshape(LayerArguments):
    target_shape: Annotated[list[PositiveInt], Field(min_length=1, max_length=6)]
    """The shape without the batch dimension."""


class Dropout(LayerArguments):
    """Dropout. Its masks derive from the job's seed, the round, the batch and the position of the layer."""

    rate: Fraction


class Activation(LayerArguments):
    activation: ActivationName


class LayerNormalization(LayerArguments):
    epsilon: PositiveNumber = 1e-3


class GroupNormalization(LayerArguments):
    groups: PositiveInt = 32
    epsilon: PositiveNumber = 1e-3


class Embedding(LayerArguments):
    input_dim: PositiveInt
    output_dim: PositiveInt
    embeddings_initializer: InitializerName = "random_uniform"


class Recurrent(LayerArguments):
    """`LSTM` and `GRU`."""

    units: PositiveInt
    return_sequences: bool = False


class Layer(Parameters):
    """One layer: `{Dense: {units: 10}}`, or only its name if it needs no arguments."""

    dense: Dense | None = Field(None, alias="Dense")
    conv_2d: Conv2D | None = Field(None, alias="Conv2D")
    max_pooling_2d: Pooling2D | None = Field(None, alias="MaxPooling2D")
    average_pooling_2d: Pooling2D | None = Field(None, alias="AveragePooling2D")
    global_average_pooling_2d: WithoutArguments | None = Field(None, alias="GlobalAveragePooling2D")
    flatten: WithoutArguments | None = Field(None, alias="Flatten")
    reshape: Reshape | None = Field(None, alias="Reshape")
    dropout: Dropout | None = Field(None, alias="Dropout")
    activation: Activation | None = Field(None, alias="Activation")
    layer_normalization: LayerNormalization | None = Field(None, alias="LayerNormalization")
    group_normalization: GroupNormalization | None = Field(None, alias="GroupNormalization")
    embedding: Embedding | None = Field(None, alias="Embedding")
    lstm: Recurrent | None = Field(None, alias="LSTM")
    gru: Recurrent | None = Field(None, alias="GRU")
    batch_normalization: Any = Field(None, alias="BatchNormalization", exclude=True)
    """Always rejected, with the reason."""

    @model_validator(mode="before")
    @classmethod
    def _arguments_are_optional(cls, value: object) -> object:
        if isinstance(value, str):
            return {value: {}}
        if isinstance(value, dict) and len(value) == 1:
            return {kind: {} if arguments is None else arguments for kind, arguments in value.items()}
        return value

    @field_validator("batch_normalization", mode="before")
    @classmethod
    def _no_batch_normalization(cls, value: object) -> object:
        if value is not None:
            refuse(
                "it keeps moving averages of its inputs, which federated averaging cannot average",
                "Use GroupNormalization instead.",
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Layer:
        if len(self._given()) != 1:
            given = ", ".join(self._given()) or "none"
            refuse(f"a layer is one name with its arguments, found: {given}", "Write each layer as its own list item.")
        return self

    def _given(self) -> list[str]:
        return [
            field.alias or name for name, field in type(self).model_fields.items() if getattr(self, name) is not None
        ]

    @property
    def kind(self) -> str:
        """The Keras name of the layer."""
        return self._given()[0]

    @property
    def arguments(self) -> LayerArguments:
        for name in type(self).model_fields:
            if isinstance(value := getattr(self, name), LayerArguments):
                return value
        raise AssertionError("a validated layer has arguments")

    @property
    def output_activation(self) -> str | None:
        """The activation of the layer's outputs. None if the layer passes its inputs through."""
        if self.kind in ("Flatten", "Reshape", "Dropout"):
            return None
        arguments = self.arguments
        return arguments.activation if isinstance(arguments, Dense | Conv2D | Activation) else "linear"
