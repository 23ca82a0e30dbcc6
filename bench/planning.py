"""Measures which computations of TFF's library can be planned, how long it takes, and how large the shards are.

python -m bench.planning
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
import typer
from fedjobs_common.errors import FedjobsError
from fedjobs_compute.planner.planning import plan
from rich.console import Console
from rich.table import Table

_SPEC = OrderedDict(x=tf.TensorSpec((None, 12), tf.float32), y=tf.TensorSpec((None,), tf.int32))


def _model() -> Any:
    layers = [tf.keras.layers.InputLayer((12,)), tf.keras.layers.Dense(16, "relu"), tf.keras.layers.Dense(4)]
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metrics = [tf.keras.metrics.SparseCategoricalAccuracy()]
    return tff.learning.models.from_keras_model(
        tf.keras.Sequential(layers), input_spec=_SPEC, loss=loss, metrics=metrics
    )


def library() -> Iterator[tuple[str, Any]]:
    """Yields computations of tff.learning and tff.analytics with their names."""
    algorithms, sgd = tff.learning.algorithms, tff.learning.optimizers.build_sgdm(0.1)

    def averaging(aggregator: Any) -> Any:
        return algorithms.build_weighted_fed_avg(_model, sgd, model_aggregator=aggregator).next

    yield (
        "fed_avg, Adam at the server",
        algorithms.build_weighted_fed_avg(_model, sgd, tff.learning.optimizers.build_adam(0.01)).next,
    )
    yield "fed_avg, robust aggregator", averaging(tff.learning.robust_aggregator())
    yield "fed_avg, compression aggregator", averaging(tff.learning.compression_aggregator())
    yield "fed_avg, secure aggregator", averaging(tff.learning.secure_aggregator())
    yield (
        "fed_avg unweighted, differentially private",
        algorithms.build_unweighted_fed_avg(_model, sgd, model_aggregator=tff.learning.dp_aggregator(0.01, 100.0)).next,
    )
    yield "fed_prox", algorithms.build_weighted_fed_prox(_model, proximal_strength=0.1, client_optimizer_fn=sgd).next
    yield "fed_sgd", algorithms.build_fed_sgd(_model, server_optimizer_fn=sgd).next
    yield "mime_lite", algorithms.build_weighted_mime_lite(_model, base_optimizer=sgd).next
    yield "fed_eval", algorithms.build_fed_eval(_model).next
    yield "k-means", algorithms.build_fed_kmeans(num_clusters=3, data_shape=(12,), random_seed=(1, 2)).next
    yield (
        "hierarchical histogram",
        tff.analytics.build_hierarchical_histogram_process(0.0, 10.0, 8, enable_secure_sum=False).next,
    )
    yield (
        "heavy hitters (IBLT)",
        tff.analytics.heavy_hitters.iblt.build_iblt_computation(
            capacity=20, string_max_bytes=10, max_words_per_user=5, seed=7
        ),
    )
    quantile = tff.aggregators.PrivateQuantileEstimationProcess.no_noise(0.5, 0.5, 0.1)
    yield "quantile estimation", quantile.next
    yield "variance (a mean of differences from a mean)", _variance()


def _variance() -> Any:
    @tff.tensorflow.computation(np.float32, np.float32)
    def squared_difference(value: Any, mean: Any) -> Any:
        return (value - mean) ** 2

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def variance(values: Any) -> Any:
        mean = tff.federated_broadcast(tff.federated_mean(values))
        return tff.federated_mean(tff.federated_map(squared_difference, (values, mean)))

    return variance


def main() -> None:
    """Prints how TFF's library is planned."""
    table = Table("computation", "planned in", "shard", "leaves down, up", "merged block by block")
    for name, computation in library():
        start = time.perf_counter()
        try:
            planned = plan(computation)
        except FedjobsError as error:
            table.add_row(name, "refused", error.message)
            continue
        seconds = time.perf_counter() - start
        for number, stage in enumerate(planned.stages, 1):
            blockwise = sum(kind is not None for kind in stage.merge_kinds)
            table.add_row(
                name if len(planned.stages) == 1 else f"{name}, stage {number}",
                f"{seconds:.2f} s",
                f"{len(stage.shard) / 1024:.0f} KiB",
                f"{len(stage.broadcasts)}, {len(stage.accumulators)}",
                f"{blockwise} of {len(stage.accumulators)}",
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
