"""Reads and writes weights as safetensors files. The variables' names are the keys. Equal weights give equal bytes."""

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
    """The names of a model's weights, in the order of `trainable_variables` and `non_trainable_variables`."""

    trainable: tuple[str, ...]
    non_trainable: tuple[str, ...]

    def named(self, weights: Any) -> Arrays:
        """Returns the arrays of `tff.learning.models.ModelWeights` by name."""
        names = [*self.trainable, *self.non_trainable]
        arrays = [*weights.trainable, *weights.non_trainable]
        return {name: np.asarray(array, order="C") for name, array in zip(names, arrays, strict=True)}


def names_of(model: FederatedModel) -> WeightNames:
    """Returns the names of a model's weights: `dense_0/kernel`, ..., or `trainable/0`, ... without a Keras model."""
    if model.keras is None:
        trainable, non_trainable = model.training.initial_weights
        return WeightNames(
            tuple(f"trainable/{i}" for i in range(len(trainable))),
            tuple(f"non_trainable/{i}" for i in range(len(non_trainable))),
        )
    unique = _unique_names(model.keras)
    return WeightNames(
        tuple(unique[id(variable)] for variable in model.keras.trainable_variables),
        tuple(unique[id(variable)] for variable in model.keras.non_trainable_variables),
    )


def assign(model: tf.keras.Model, arrays: Arrays) -> None:
    """Assigns weights to a Keras model by name."""
    unique = _unique_names(model)
    for variable in model.variables:
        variable.assign(arrays[unique[id(variable)]])


def write(arrays: Arrays) -> bytes:
    """Returns the content of a weights file. It has no metadata, whose order the library does not fix."""
    return bytes(safetensors.numpy.save(arrays))


def read(path: Path, model: FederatedModel) -> Any:
    """Reads the weights of an earlier result.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER if the file does not exist, is not a safetensors file, or has the
            weights of another model.
    """
    try:
        arrays = safetensors.numpy.load(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise _invalid(path, reason, "Set it to the model/weights.safetensors of an earlier result.") from error
    except safetensors.SafetensorError as error:
        raise _invalid(path, f"it is not a safetensors file ({error})", "Set it to a weights.safetensors.") from error
    names, (trainable, non_trainable) = names_of(model), model.training.initial_weights
    return tff.learning.models.ModelWeights(
        _picked(path, arrays, names.trainable, trainable), _picked(path, arrays, names.non_trainable, non_trainable)
    )


def _picked(path: Path, arrays: Arrays, names: Sequence[str], like: Sequence[Array]) -> tuple[Array, ...]:
    for name, expected in zip(names, like, strict=True):
        if name not in arrays:
            found = f"it has no {name}, it has {', '.join(sorted(arrays))}"
            raise _invalid(path, found, "Set model to the model of these weights.")
        if arrays[name].shape != expected.shape or arrays[name].dtype != expected.dtype:
            found, wanted = _described(arrays[name]), _described(expected)
            difference = f"{name} is {found} in the file, and {wanted} in the model"
            raise _invalid(path, difference, "Set model to the model of these weights.")
    return tuple(arrays[name] for name in names)


def _described(array: Array) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _unique_names(model: tf.keras.Model) -> dict[int, str]:
    """Returns unique names by the variables' ids. A repeated name gets a number."""
    seen: Counter[str] = Counter()
    result = {}
    for variable in model.variables:
        name = variable.name.partition(":")[0]
        result[id(variable)] = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
    return result


def _invalid(path: Path, reason: str, remedy: str) -> FedjobsError:
    return FedjobsError(ErrorCode.INVALID_PROGRAM_PARAMETER, f"{FIELD} is {str(path)!r}: {reason}.", remedy)
