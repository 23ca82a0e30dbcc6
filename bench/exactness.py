"""Compares the results of one round of federated averaging, from the same state and data, on four runtimes.

    python -m bench.exactness

The runtimes are this system with one silo and with four silos, the sequential interpreter of the same plan (the
reference), and TFF's stock runtime, whose worker has its own TensorFlow kernels.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import fedjobs
import fedjobs.local
import numpy as np
import psutil
import tensorflow as tf
import tensorflow_federated as tff
import typer
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from tests.compute.interpreter import Interpreter

CLIENTS = 8
Arrays = list[np.ndarray[Any, Any]]


def build_process() -> Any:
    """Returns weighted federated averaging of a small network, with Adam at the server."""
    spec = OrderedDict(x=tf.TensorSpec((None, 64), tf.float32), y=tf.TensorSpec((None,), tf.int32))

    def model() -> Any:
        def dense(units: int, seed: int, activation: str | None = None) -> tf.keras.layers.Layer:
            initializer = tf.keras.initializers.GlorotUniform(seed=seed)
            return tf.keras.layers.Dense(units, activation=activation, kernel_initializer=initializer)

        keras = tf.keras.Sequential([tf.keras.layers.InputLayer((64,)), dense(64, 1, "relu"), dense(10, 2)])
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return tff.learning.models.from_keras_model(keras, input_spec=spec, loss=loss)

    optimizers = tff.learning.optimizers
    return tff.learning.algorithms.build_weighted_fed_avg(
        model, optimizers.build_sgdm(0.1), optimizers.build_adam(0.01)
    )


def client_data() -> list[tf.data.Dataset]:
    """Returns scikit-learn's digits, distributed unevenly to clients."""
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)
    ends = np.cumsum(np.arange(1, CLIENTS + 1)) * len(x) // sum(range(1, CLIENTS + 1))
    parts = zip(np.split(x, ends[:-1]), np.split(y, ends[:-1]), strict=True)
    return [tf.data.Dataset.from_tensor_slices(OrderedDict(x=a, y=b)).batch(20) for a, b in parts]


def compare(result: Arrays, reference: Arrays) -> str:
    """Returns whether the results are identical, or the largest difference relative to the tensor's largest value."""
    if all(a.tobytes() == b.tobytes() for a, b in zip(result, reference, strict=True)):
        return "the same bits"
    worst = max(
        float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-30))
        for a, b in zip(result, reference, strict=True)
    )
    return f"relative difference {worst:.1e}"


def main() -> None:
    """Prints the results as a table."""
    learning, data = build_process(), client_data()
    state = Interpreter(learning.initialize)()

    def weights(run: Any) -> Arrays:
        return [np.asarray(w) for w in run(state, data).state.global_model_weights.trainable]

    reference = weights(Interpreter(learning.next))
    table = Table("one round of federated averaging", "against the interpreter of the same plan")
    for silos in (1, 4):
        fedjobs.set_local_execution_context(num_silos=silos)
        table.add_row(f"here, {silos} silo{'s' * (silos > 1)}", compare(weights(learning.next), reference))
        fedjobs.local.close()
    tff.backends.native.set_sync_local_cpp_execution_context()
    table.add_row("TFF's stock runtime", compare(weights(learning.next), reference))
    Console().print(table)
    for child in psutil.Process().children(recursive=True):  # otherwise the stock runtime's worker outlives its parent
        child.kill()


if __name__ == "__main__":
    typer.run(main)
