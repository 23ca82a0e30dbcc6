"""Writes the result of a training for plain TensorFlow.

result.json                       written last: if it exists, the result is complete
metrics.jsonl                     one line for each round
model/weights.safetensors         its BLAKE3 digest identifies the model
model/savedmodel/                 with the signature `serving_default`
model/model.keras
"""

# mypy: allow-untyped-decorators
# TensorFlow's and TFF's decorators have no types.
from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically

from fedjobs_coordinator.programs import weights as weight_files
from fedjobs_coordinator.programs.layers import first_sentence
from fedjobs_coordinator.programs.models import FIELD, FederatedModel
from fedjobs_coordinator.programs.results import write_result

METRICS = "metrics.jsonl"


def export(
    result_dir: Path, *, program: str, model: FederatedModel, weights: Any, rounds: int, formats: Sequence[str]
) -> None:
    """Writes `model/` and `result.json`. It can be repeated.

    Args:
        result_dir: The folder of the result.
        program: The name of the program.
        model: The trained model.
        weights: The trained weights, `tff.learning.models.ModelWeights` of numpy arrays.
        rounds: The number of rounds of the training.
        formats: The formats to write: savedmodel and keras. They do not apply to a FunctionalModel. The weights are
            always written.
    """
    directory = result_dir / "model"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    arrays = weight_files.names_of(model).named(weights)
    content = weight_files.write(arrays)
    files = {"weights": "model/weights.safetensors"}
    write_atomically(result_dir / files["weights"], content, durable=True, mode=0o644)
    files |= _write_models(result_dir, model, arrays, formats)
    write_result(
        result_dir, {"program": program, "model": {"digest": digest(content), "files": files}, "rounds": rounds}
    )


def rehearse(result_dir: Path, *, model: FederatedModel, formats: Sequence[str]) -> None:
    """Writes the initial model and removes it, so that a model that cannot be written is found before the first round.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER if the model cannot be written.
    """
    folder = result_dir / ".rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "model").mkdir(parents=True)
    try:
        weights = tff.learning.models.ModelWeights(*model.training.initial_weights)
        _write_models(folder, model, weight_files.names_of(model).named(weights), formats)
    except OSError:
        raise
    except Exception as error:
        raise FedjobsError(
            ErrorCode.INVALID_PROGRAM_PARAMETER,
            f"{FIELD}: the model cannot be written as {' or '.join(formats)}: {first_sentence(error)}.",
            "Correct the model, or remove the format from spec.output.formats.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_models(
    result_dir: Path, model: FederatedModel, arrays: weight_files.Arrays, formats: Sequence[str]
) -> dict[str, str]:
    """Writes the model in each format with these weights. Returns the paths by format."""
    if model.keras is None:
        return {}
    weight_files.assign(model.keras, arrays)
    files = {}
    if "savedmodel" in formats:
        files["savedmodel"] = "model/savedmodel"
        _save(model.keras, result_dir / files["savedmodel"])
    if "keras" in formats:
        files["keras"] = "model/model.keras"
        # Without the format, Keras writes HDF5 in each thread but the one that imported it.
        model.keras.save(result_dir / files["keras"], save_format="keras_v3")
    return files


def _save(model: tf.keras.Model, path: Path) -> None:
    """Saves a SavedModel. Its signature takes the features by the names of the inputs, and returns `outputs`."""
    inputs = model.input if isinstance(model.input, dict) else {"x": model.input}
    specs = {name: tf.TensorSpec([None, *t.shape[1:]], t.dtype, name=name) for name, t in inputs.items()}

    @tf.function(autograph=False)
    def serve(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        values = features if isinstance(model.input, dict) else features["x"]
        return {"outputs": model(values, training=False)}

    tf.saved_model.save(model, str(path), signatures={"serving_default": serve.get_concrete_function(**specs)})
