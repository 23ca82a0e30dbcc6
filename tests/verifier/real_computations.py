"""Computations whose shards the verifier must accept: of TFF's library, of the built-in programs, and of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.programs import parse_parameters
from fedjobs_coordinator.programs import evaluation, models, training

import bench.planning
from tests.compute import computations
from tests.programs.jobs import fedavg
from tests.worker.learning_models import dense, many_layers

_VECTOR = tff.TensorType(np.float32, [8])
_LAYERS: dict[str, tuple[list[int], list[Any]]] = {
    "convolution": ([64], [{"Reshape": {"targetShape": [8, 8, 1]}}, {"Conv2D": {"filters": 4, "kernelSize": 3}},
                           {"GroupNormalization": {"groups": 2}}, "MaxPooling2D",
                           {"AveragePooling2D": {"poolSize": [1, 2]}}, "Flatten", {"Dense": {"units": 3}}]),
    "images": ([8, 8, 2], [{"Conv2D": {"filters": 3, "kernelSize": [3, 1], "padding": "same"}},
                           "GlobalAveragePooling2D", "LayerNormalization", {"Activation": {"activation": "softmax"}}]),
    "sequences": ([6], [{"Embedding": {"inputDim": 10, "outputDim": 4}}, {"GRU": {"units": 5, "returnSequences": True}},
                        {"LSTM": {"units": 5}}, {"Dense": {"units": 3, "activation": "softmax"}}]),
    "dropout": ([4], [{"Dense": {"units": 8, "activation": "gelu"}}, {"Dropout": {"rate": 0.2}},
                      {"Dense": {"units": 3}}]),
}  # fmt: skip
_PROGRAMS: dict[str, dict[str, Any]] = {
    "fedavg": {},
    "fedavg, proximal": {"client__proximalStrength": 0.1},
    "fedavg, adam": {"client__optimizer": "adam", "client__learningRate": 0.01},
    "fedavg, adagrad": {"client__optimizer": "adagrad"},
    "fedavg, rmsprop": {"client__optimizer": "rmsprop"},
    "fedavg, yogi": {"client__optimizer": "yogi"},
    "fedavg, adamw": {"client__optimizer": "adamw"},
    "fedavg, binary": {
        "model": {"keras": {"input": [4], "layers": [{"Dense": {"units": 1}}]}, "loss": "binary_crossentropy",
                  "metrics": ["accuracy", "auc"]},
    },
    "fedavg, regression": {
        "model": {"keras": {"input": [4], "layers": [{"Dense": {"units": 1}}]}, "loss": "huber",
                  "metrics": ["mse", "mae"]},
    },
    "fedavg, categorical": {"model__loss": "categorical_crossentropy"},
}  # fmt: skip


Named = Iterator[tuple[str, Callable[[], tff.Computation]]]
"""Names of computations, and functions that build them."""


def library() -> Named:
    yield from ((name, lambda c=computation: c) for name, computation in bench.planning.library())  # type: ignore[misc]


def of_tests() -> Named:
    for name, value in vars(computations).items():
        if isinstance(value, tff.Computation) and name not in ("add", "double"):
            yield name, lambda c=value: c  # type: ignore[misc]
    yield "strings", _strings


def learning() -> Named:
    algorithms, optimizers = tff.learning.algorithms, tff.learning.optimizers
    yield "many layers", lambda: algorithms.build_weighted_fed_avg(many_layers, optimizers.build_adam(0.1)).next
    yield (
        "dataset reduce",
        lambda: algorithms.build_weighted_fed_avg(dense, optimizers.build_sgdm(0.1)).next,
    )
    yield "evaluation", lambda: algorithms.build_fed_eval(many_layers).next
    yield "k-means of 4", lambda: algorithms.build_fed_kmeans(3, (4,)).next


def programs() -> Named:
    changes = dict(_PROGRAMS)
    changes |= {
        f"layers, {name}": {"model__keras": {"input": shape, "layers": layers}}
        for name, (shape, layers) in _LAYERS.items()
    }
    for name, changed in changes.items():

        def train(changed: dict[str, Any] = changed) -> tff.Computation:
            parameters = parse_parameters("fedavg", fedavg(**changed))
            return training.build(models.build(parameters.model, parameters.seed), parameters).next

        def evaluate(changed: dict[str, Any] = changed) -> tff.Computation:
            parameters = parse_parameters("fedavg", fedavg(**changed))
            return evaluation.build(models.build(parameters.model, parameters.seed), 8).evaluate

        yield name, train
        yield f"{name}: evaluation", evaluate


def aggregators() -> Named:
    a = tff.aggregators
    unweighted: dict[str, Callable[[], Any]] = {
        "sum": a.SumFactory,
        "clipping": lambda: a.clipping_factory(1.0, a.SumFactory()),
        "zeroing": lambda: a.zeroing_factory(1.0, a.SumFactory()),
        "adaptive clipping": lambda: a.clipping_factory(
            a.PrivateQuantileEstimationProcess.no_noise(0.5, 0.5, 0.1), a.SumFactory()
        ),
        "Gaussian": lambda: a.DifferentiallyPrivateFactory.gaussian_fixed(0.1, 10.0, 1.0),
        "adaptive Gaussian": lambda: a.DifferentiallyPrivateFactory.gaussian_adaptive(0.1, 10.0),
        "uniform quantization": lambda: a.EncodedSumFactory.quantize_above_threshold(4, threshold=1),
        "mean": a.UnweightedMeanFactory,
    }
    for name, build in unweighted.items():

        def aggregate(build: Callable[[], Any] = build) -> tff.Computation:
            return build().create(_VECTOR).next

        yield f"aggregator, {name}", aggregate
    weighted = {"weighted mean": a.MeanFactory, "robust": lambda: tff.learning.robust_aggregator()}
    for name, build in weighted.items():

        def aggregate_weighted(build: Callable[[], Any] = build) -> tff.Computation:
            return build().create(_VECTOR, tff.TensorType(np.float32)).next

        yield f"aggregator, {name}", aggregate_weighted


def _strings() -> tff.Computation:
    @tff.tensorflow.computation(tff.SequenceType(np.str_))
    def count(words: Any) -> Any:
        def add(total: Any, word: Any) -> Any:
            split = tf.strings.split(tf.strings.lower(tf.strings.regex_replace(word, "[^a-z ]", "")))
            return total + tf.cast(tf.size(split), tf.int64)

        return words.batch(3).map(lambda w: w).unbatch().reduce(np.int64(0), add)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.str_), tff.CLIENTS))
    def counted(words: Any) -> Any:
        return tff.federated_sum(tff.federated_map(count, words))

    return counted
