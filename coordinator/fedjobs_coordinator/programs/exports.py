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
from fedjobs_common.digests import digest
from fedjobs_common.files import write_atomically

from fedjobs_coordinator.programs import weights as weight_files
from fedjobs_coordinator.programs.models import FederatedModel
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
    if model.keras is not None:
        # TFF creates layers in a graph, which breaks Keras layers that existed before. A new clone works.
        trained = tf.keras.models.clone_model(model.keras)
        weight_files.assign(trained, arrays)
        if "savedmodel" in formats:
            files["savedmodel"] = "model/savedmodel"
            _save(trained, result_dir / files["savedmodel"])
        if "keras" in formats:
            files["keras"] = "model/model.keras"
            trained.save(result_dir / files["keras"])
    write_result(
        result_dir, {"program": program, "model": {"digest": digest(content), "files": files}, "rounds": rounds}
    )


def _save(model: tf.keras.Model, path: Path) -> None:
    """Saves a SavedModel. Its signature takes the features by the names of the inputs, and returns `outputs`."""
    inputs = model.input if isinstance(model.input, dict) else {"x": model.input}
    specs = {name: tf.TensorSpec([None, *t.shape[1:]], t.dtype, name=name) for name, t in inputs.items()}

    @tf.function(autograph=False)
    def serve(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        values = features if isinstance(model.input, dict) else features["x"]
        return {"outputs": model(values, training=False)}

    tf.saved_model.save(model, str(path), signatures={"serving_default": serve.get_concrete_function(**specs)})
