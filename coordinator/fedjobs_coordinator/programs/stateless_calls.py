"""Calls a Keras model as a function of its weights, its inputs and a seed. The graph has no variables.

Keras 3 has `stateless_call` for this. Keras 2 has not, and TFF's `functional_model_from_keras` clones the model in each
graph, which breaks frozen layers, nested models, shared layers and layers that keep more than their weights. Here the
model stays as it is. During the call, its variables return the given tensors when they are read.

Keras' random layers draw from state in the process, so a repeated round would give another result. During the call,
they draw from the seed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
from keras.src.engine.base_layer_utils import call_context
from tensorflow.python.autograph.core.ag_ctx import ControlStatusCtx, Status

_ASSIGNMENTS = (
    "assign",
    "assign_add",
    "assign_sub",
    "scatter_update",
    "scatter_add",
    "scatter_sub",
    "scatter_nd_update",
)


class ImpureModelError(ValueError):
    """The model is not a function of its weights, its inputs and a seed. The message names the layer."""


@dataclass
class Call:
    """One call of a model.

    Attributes:
        outputs: The outputs.
        penalties: The losses of the layers and of the model: regularizers and `add_loss`.
        draws: How often the layers drew random numbers.
    """

    outputs: Any = None
    penalties: list[tf.Tensor] = field(default_factory=list)
    draws: int = 0


def call(
    model: tf.keras.Model, weights: Sequence[tf.Tensor], inputs: Any, *, training: bool, seed: tf.Tensor | None
) -> Call:
    """Calls a model inside a `tf.function` without AutoGraph.

    Args:
        model: A built model.
        weights: The values of `model.variables`.
        inputs: A batch of features.
        training: Whether the model is trained.
        seed: int64[2], which determines all random numbers. None if there must be none.

    Raises:
        ImpureModelError: A layer changes state, reads state that is no weight, or needs a seed and gets none.
    """
    result, problems = Call(), list[str]()
    try:
        with contextlib.ExitStack() as stack:
            for variable, tensor in zip(model.variables, weights, strict=True):
                stack.enter_context(_substituted(variable, tensor, problems))
            for layer in list(model._flatten_layers()):
                stack.enter_context(_pure(layer, result, seed, problems))
            stack.enter_context(_constants_only(model.variables, weights, problems))
            stack.enter_context(ControlStatusCtx(Status.ENABLED))  # Keras converts layers as in `fit`
            result.outputs = model(inputs, training=training)
            result.penalties = list(model.losses)
    except Exception as error:
        # Keras wraps errors of layers into errors of many lines.
        if problems:
            raise ImpureModelError(problems[0]) from error
        raise
    if getattr(result.outputs, "_keras_mask", None) is not None:
        raise ImpureModelError("the model's outputs have a mask, which Keras would apply to the loss")
    return result


def layer_here() -> str:
    """Returns the name and class of the layer whose call is running, for messages."""
    layer = call_context().layer
    return "the model" if layer is None else described(layer)


def described(layer: tf.keras.layers.Layer) -> str:
    return f"the layer {layer.name!r} ({type(layer).__name__})"


@contextlib.contextmanager
def _substituted(variable: tf.Variable, tensor: tf.Tensor, problems: list[str]) -> Iterator[None]:
    """Lets reads of a variable return a tensor, and refuses changes."""
    raw = getattr(variable, "_variable", variable)  # mixed precision wraps variables
    name = variable.name.partition(":")[0]

    def refuse(*_: Any, **__: Any) -> None:
        problems.append(f"{layer_here()} changes its weight {name!r} in each batch")
        raise ImpureModelError(problems[-1])

    methods: dict[str, Callable[..., Any]] = {
        "_read_variable_op": lambda **_: tf.identity(tensor),
        "sparse_read": lambda indices, name=None: tf.gather(tensor, indices, name=name),
        "gather_nd": lambda indices, name=None: tf.gather_nd(tensor, indices, name=name),
        **dict.fromkeys(_ASSIGNMENTS, refuse),
    }
    with _attributes(raw, methods):
        yield


@contextlib.contextmanager
def _pure(layer: tf.keras.layers.Layer, result: Call, seed: tf.Tensor | None, problems: list[str]) -> Iterator[None]:
    """Replaces what a layer keeps besides its weights: random numbers, and values that derive from weights."""
    attributes: dict[str, Any] = {"_losses": []}  # of this call only
    layer._clear_losses()
    if "_could_use_gpu_kernel" in vars(layer):
        attributes["_could_use_gpu_kernel"] = False  # one graph for all devices
    if isinstance(layer, tf.keras.layers.BatchNormalization):
        attributes["fused"] = False  # silos allow the fused operation in training only
    with contextlib.ExitStack() as stack:
        stack.enter_context(_attributes(layer, attributes))
        generator = vars(layer).get("_random_generator")
        if generator is not None:

            def next_seed() -> tf.Tensor:
                if seed is None:
                    problems.append(f"{layer_here()} draws random numbers outside of training")
                    raise ImpureModelError(problems[-1])
                result.draws += 1
                return tf.add(seed, [0, result.draws << 32])

            stateless = {"_rng_type": generator.RNG_STATELESS, "make_seed_for_stateless_op": next_seed}
            stack.enter_context(_attributes(generator, stateless))
        if isinstance(layer, tf.keras.layers.Normalization) and layer.input_mean is None:
            # It normalizes with tensors that it computed from its weights.
            stack.enter_context(_attributes(layer, {"mean": layer.mean, "variance": layer.variance}))
            layer.finalize_state()
        try:
            yield
        finally:
            layer._clear_losses()


@contextlib.contextmanager
def _constants_only(
    variables: Sequence[tf.Variable], weights: Sequence[tf.Tensor], problems: list[str]
) -> Iterator[None]:
    """Turns values from outside of the graph into constants. Tables and other state are refused."""
    graph = tf.compat.v1.get_default_graph()
    # TensorFlow places lookups of embeddings where the variable is.
    places = {id(variable.handle): tensor for variable, tensor in zip(variables, weights, strict=True)}
    capture = graph.capture

    def constant(tensor: tf.Tensor, name: str | None = None, shape: Any = None) -> tf.Tensor:
        if not hasattr(tensor, "numpy"):
            return capture(tensor, name, shape)
        if id(tensor) in places:
            return places[id(tensor)]
        if tensor.dtype in (tf.resource, tf.variant):
            problems.append(f"{layer_here()} uses state other than its weights, such as a table")
            raise ImpureModelError(problems[-1])
        return tf.constant(tensor.numpy(), tensor.dtype)

    graph.capture = constant
    try:
        yield
    finally:
        graph.capture = capture


@contextlib.contextmanager
def _attributes(target: Any, values: dict[str, Any]) -> Iterator[None]:
    """Sets attributes of an object, past Keras' tracking, and restores them."""
    own = vars(target)
    before = {name: own[name] for name in values if name in own}
    own.update(values)
    try:
        yield
    finally:
        for name in values:
            own.pop(name, None)
        own.update(before)
