"""Weights as a safetensors file: named by the layers' variables, the same bytes for the same weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import PATH

from fedjobs_coordinator.programs.models import FederatedModel

FIELD = f"{PATH}.weights"

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class WeightNames:
    """Names of a model's weights, in TFF's order, which is that in which Keras creates the variables."""

    trainable: tuple[str, ...]
    non_trainable: tuple[str, ...]

    def named(self, weights: Any) -> Arrays:
        """The arrays of `tff.learning.models.ModelWeights` by name."""
        names = [*self.trainable, *self.non_trainable]
        arrays = [*weights.trainable, *weights.non_trainable]
        return {name: np.ascontiguousarray(array) for name, array in zip(names, arrays, strict=True)}


def names_of(model: FederatedModel) -> WeightNames:
    """`dense_0/kernel`, ...; `trainable/0`, ... where there is no Keras model."""
    if model.keras is None:
        trainable, non_trainable = model.training.initial_weights
        return WeightNames(
            tuple(f"trainable/{i}" for i in range(len(trainable))),
            tuple(f"non_trainable/{i}" for i in range(len(non_trainable))),
        )
    unique = _unique_names(model.keras)
    clone_variables, created = _creation_order(model.keras)
    positions = [next(i for i, v in enumerate(clone_variables) if v is variable) for variable in created]
    variables = [model.keras.variables[i] for i in positions]
    return WeightNames(
        tuple(unique[id(variable)] for variable in variables if variable.trainable),
        tuple(unique[id(variable)] for variable in variables if not variable.trainable),
    )


def assign(model: tf.keras.Model, arrays: Arrays) -> None:
    """Gives a Keras model the weights of these names."""
    unique = _unique_names(model)
    for variable in model.variables:
        variable.assign(arrays[unique[id(variable)]])


def write(arrays: Arrays) -> bytes:
    """The file. Without metadata, whose order the library does not fix."""
    return bytes(safetensors.numpy.save(arrays))


def read(path: Path, model: FederatedModel) -> Any:
    """Weights of an earlier result.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER for a file that is not there, is no safetensors file, or holds the
            weights of another model.
    """
    try:
        arrays = safetensors.numpy.load(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise _invalid(path, reason, "Name the model/weights.safetensors of an earlier result.") from error
    except safetensors.SafetensorError as error:
        raise _invalid(path, f"it is no safetensors file ({error})", "Name a weights.safetensors.") from error
    names, (trainable, non_trainable) = names_of(model), model.training.initial_weights
    return tff.learning.models.ModelWeights(
        _picked(path, arrays, names.trainable, trainable), _picked(path, arrays, names.non_trainable, non_trainable)
    )


def _picked(path: Path, arrays: Arrays, names: Sequence[str], like: Sequence[Array]) -> tuple[Array, ...]:
    for name, expected in zip(names, like, strict=True):
        if name not in arrays:
            raise _invalid(path, f"it has no {name}, it has {', '.join(sorted(arrays))}", "Give the model it is of.")
        if arrays[name].shape != expected.shape or arrays[name].dtype != expected.dtype:
            found, wanted = _described(arrays[name]), _described(expected)
            raise _invalid(path, f"{name} is {found} there, and {wanted} in the model", "Give the model it is of.")
    return tuple(arrays[name] for name in names)


def _described(array: Array) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _creation_order(model: tf.keras.Model) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Variables of a clone, in the model's order, and in the order in which they are created.

    TFF records the second one for its functional models; a model with branches can have another order than its layers.
    """
    created: list[tf.Variable] = []

    def recorded(create: Any, **arguments: Any) -> tf.Variable:
        created.append(create(**arguments))
        return created[-1]

    with tf.Graph().as_default(), tf.variable_creator_scope(recorded):
        variables = tf.keras.models.clone_model(model).variables
    return variables, [v for v in created if any(v is variable for variable in variables)]


def _unique_names(model: tf.keras.Model) -> dict[int, str]:
    """By identity of the variable; a name that comes again has a number."""
    seen: Counter[str] = Counter()
    result = {}
    for variable in model.variables:
        name = variable.name.partition(":")[0]
        result[id(variable)] = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
    return result


def _invalid(path: Path, reason: str, remedy: str) -> FedjobsError:
    return FedjobsError(ErrorCode.INVALID_PROGRAM_PARAMETER, f"{FIELD} is {str(path)!r}: {reason}.", remedy)
