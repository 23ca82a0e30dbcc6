"""Computations of TFF's library with arguments: aggregators, learning algorithms and analytics.

Each case calls its computations in TFF's default context. So the same case runs on the silos and on TFF's own runtime.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tests.compute.interpreter import leaves

Leaves: TypeAlias = list[Any]
CLIENTS = 4
_FEATURES, _CLASSES = 4, 3
_SPEC = OrderedDict(x=tf.TensorSpec((None, _FEATURES), tf.float32), y=tf.TensorSpec((None,), tf.int32))
_VECTOR = tff.TensorType(np.float32, (8,))
_WEIGHT = tff.TensorType(np.float32)
_SGD = tff.learning.optimizers.build_sgdm(0.1)
_ADAM = tff.learning.optimizers.build_adam(0.01)


@dataclass(frozen=True)
class Case:
    """A case of the library.

    Attributes:
        name: A name for people.
        build: Returns the computation or process.
        call: Calls the computations, and returns the leaves of their results.
        tolerance: The largest difference to TFF's own runtime, relative to the largest number of a leaf. Zero if the
            results are equal.
        ordered: Whether the order of the clients in the results is defined.
        refused: What the planner refuses, or an empty string.
    """

    name: str
    build: Callable[[], Any]
    call: Callable[[Any], Leaves]
    tolerance: float = 0.0
    ordered: bool = True
    refused: str = ""

    @cached_property
    def built(self) -> Any:
        """The computation or process, which is built once because this is slow."""
        return self.build()

    def run(self) -> Leaves:
        """Calls the computations in TFF's default context."""
        return self.call(self.built)


def cases() -> Iterator[Case]:
    """Yields all cases."""
    yield from _aggregators()
    yield from _learning()
    yield from _analytics()


def _aggregators() -> Iterator[Case]:
    aggregators = tff.aggregators
    close = 1e-6
    for name, factory, tolerance in [
        ("SumFactory", aggregators.SumFactory(), close),
        ("UnweightedMeanFactory", aggregators.UnweightedMeanFactory(), close),
        ("clipping_factory", aggregators.clipping_factory(1.0, aggregators.SumFactory()), close),
        ("zeroing_factory", aggregators.zeroing_factory(2.0, aggregators.SumFactory()), close),
        ("concat_factory", aggregators.concat_factory(aggregators.SumFactory()), close),
        ("EncodedSumFactory", aggregators.EncodedSumFactory.quantize_above_threshold(8, 20_000), close),
        (
            "DifferentiallyPrivateFactory without noise",
            aggregators.DifferentiallyPrivateFactory.gaussian_fixed(0.0, CLIENTS, 1.0),
            1e-5,
        ),
        ("SecureSumFactory", aggregators.SecureSumFactory(10.0, -10.0), 1e-5),
    ]:
        yield Case(f"aggregators.{name}", partial(factory.create, _VECTOR), _twice_over(_values), tolerance)
    hadamard = partial(aggregators.HadamardTransformFactory().create, _VECTOR)
    yield Case("aggregators.HadamardTransformFactory", hadamard, _rotated, 1e-5)
    for name, factory, tolerance in [
        ("aggregators.MeanFactory", aggregators.MeanFactory(), close),
        ("learning.robust_aggregator", tff.learning.robust_aggregator(), 1e-5),
        ("learning.compression_aggregator", tff.learning.compression_aggregator(), 1e-5),
        ("learning.secure_aggregator", tff.learning.secure_aggregator(), 1e-5),
    ]:
        yield Case(name, partial(factory.create, _VECTOR, _WEIGHT), _twice_over(_values, _weights), tolerance)
    quantiles = aggregators.PrivateQuantileEstimationProcess
    yield Case(
        "aggregators.PrivateQuantileEstimationProcess", lambda: quantiles.no_noise(0.5, 0.5, 0.1), _quantile, close
    )
    yield Case("aggregators.federated_sample", _sample, lambda sample: _called(sample, _values()), ordered=False)


def _values() -> list[Any]:
    return list(np.random.default_rng(5).normal(size=(CLIENTS, 8)).astype(np.float32))


def _weights() -> list[Any]:
    return [np.float32(number + 1) for number in range(CLIENTS)]


def _called(computation: Any, *arguments: Any) -> Leaves:
    return leaves(computation(*arguments), computation.type_signature.result)


def _twice_over(*sources: Callable[[], list[Any]]) -> Callable[[Any], Leaves]:
    """Returns a function that runs two rounds of a process, and returns the leaves of both results."""

    def call(process: Any) -> Leaves:
        state = process.initialize()
        found: Leaves = []
        for _ in range(2):
            output = process.next(state, *(source() for source in sources))
            state = output[0] if isinstance(output, tuple) else output.state
            found += leaves(output, process.next.type_signature.result)
        return found

    return call


def _rotated(process: Any) -> Leaves:
    """Returns the results of two rounds, without the state, whose seed comes from the clock."""
    result_type = process.next.type_signature.result["result"]
    state = process.initialize()
    found: Leaves = []
    for _ in range(2):
        output = process.next(state, _values())
        state = output.state
        found += leaves(output.result, result_type)
    return found


def _quantile(process: Any) -> Leaves:
    state = process.initialize()
    found: Leaves = []
    for _ in range(3):
        state = process.next(state, [np.float32(x) for x in (0.1, 0.4, 0.9, 2.0)])
        found += _called(process.report, state)
    return found


def _sample() -> Any:
    @tff.federated_computation(tff.FederatedType(_VECTOR, tff.CLIENTS))
    def sample(values: Any) -> Any:
        return tff.aggregators.federated_sample(values, max_num_samples=CLIENTS)

    return sample


def _model() -> Any:
    initializer = tf.keras.initializers.GlorotUniform(seed=1)
    layers = [
        tf.keras.layers.InputLayer((_FEATURES,)),
        tf.keras.layers.Dense(_CLASSES, kernel_initializer=initializer),
    ]
    return tff.learning.models.from_keras_model(
        tf.keras.Sequential(layers),
        input_spec=_SPEC,
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )


def _datasets() -> list[Any]:
    generator = np.random.default_rng(3)

    def client(rows: int) -> Any:
        x = generator.normal(size=(rows, _FEATURES)).astype(np.float32)
        y = generator.integers(0, _CLASSES, rows).astype(np.int32)
        return tf.data.Dataset.from_tensor_slices(OrderedDict(x=x, y=y)).batch(5)

    return [client(rows) for rows in (12, 7, 20, 3)]


def _learning() -> Iterator[Case]:
    algorithms, learning = tff.learning.algorithms, tff.learning
    private = tff.aggregators.DifferentiallyPrivateFactory.gaussian_fixed(0.0, CLIENTS, 1.0)
    momentum = learning.optimizers.build_sgdm(0.1, momentum=0.9)

    def rate(number: Any) -> Any:
        return 0.1 / (1.0 + tf.cast(number, tf.float32))

    def averaging(**arguments: Any) -> Callable[[], Any]:
        return partial(algorithms.build_weighted_fed_avg, _model, _SGD, **arguments)

    for name, build, tolerance in [
        ("fed_avg", averaging(), 1e-5),
        ("fed_avg, Adam at the server", averaging(server_optimizer_fn=_ADAM), 1e-4),
        ("fed_avg, robust", averaging(model_aggregator=learning.robust_aggregator()), 1e-5),
        ("fed_avg, secure", averaging(model_aggregator=learning.secure_aggregator()), 1e-4),
        (
            "fed_avg, private without noise",
            partial(algorithms.build_unweighted_fed_avg, _model, _SGD, model_aggregator=private),
            1e-5,
        ),
        (
            "fed_avg with a schedule",
            partial(
                algorithms.build_weighted_fed_avg_with_optimizer_schedule,
                _model,
                rate,
                learning.optimizers.build_sgdm,
            ),
            1e-5,
        ),
        (
            "fed_prox",
            partial(algorithms.build_weighted_fed_prox, _model, proximal_strength=0.1, client_optimizer_fn=_SGD),
            1e-5,
        ),
        ("fed_sgd", partial(algorithms.build_fed_sgd, _model, server_optimizer_fn=_SGD), 1e-5),
        ("mime_lite", partial(algorithms.build_weighted_mime_lite, _model, base_optimizer=momentum), 1e-5),
        ("fed_eval", partial(algorithms.build_fed_eval, _model), 1e-5),
        ("fed_recon", partial(_reconstruction, algorithms.build_fed_recon), 1e-4),
        ("fed_recon_eval", partial(_reconstruction, algorithms.build_fed_recon_eval), 1e-4),
    ]:
        yield Case(f"learning.{name}", build, _twice_over(_datasets), tolerance)
    clusters = partial(algorithms.build_fed_kmeans, num_clusters=2, data_shape=(_FEATURES,), random_seed=(1, 2))
    yield Case("learning.kmeans", clusters, _twice_over(_points), 1e-5)
    yield Case("learning.personalization", _personalization, _personalized, 1e-5, ordered=False)


def _points() -> list[Any]:
    points = np.random.default_rng(8).normal(size=(CLIENTS, 6, _FEATURES)).astype(np.float32)
    return [tf.data.Dataset.from_tensor_slices(client) for client in points]


def _reconstruction(build: Callable[..., Any]) -> Any:
    def model() -> Any:
        inputs = tf.keras.layers.Input((_FEATURES,))
        shared = tf.keras.layers.Dense(5, kernel_initializer=tf.keras.initializers.GlorotUniform(seed=1))
        own = tf.keras.layers.Dense(_CLASSES, kernel_initializer=tf.keras.initializers.GlorotUniform(seed=2))
        return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
            tf.keras.Model(inputs, own(shared(inputs))), global_layers=[shared], local_layers=[own], input_spec=_SPEC
        )

    return build(
        model,
        loss_fn=lambda: tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics_fn=lambda: [tf.keras.metrics.SparseCategoricalAccuracy()],
        reconstruction_optimizer_fn=_SGD,
    )


def _personalization() -> Any:
    @tf.function
    def evaluate(model: Any, dataset: Any) -> Any:
        batches = dataset.batch(5)
        loss = batches.reduce(0.0, lambda total, batch: total + model.forward_pass(batch, training=False).loss)
        return OrderedDict(loss=loss)

    def personalize() -> Callable[..., Any]:
        @tf.function
        def train_and_evaluate(model: Any, train: Any, test: Any, context: Any = None) -> Any:
            del context

            def step(count: Any, batch: Any) -> Any:
                with tf.GradientTape() as tape:
                    loss = model.forward_pass(batch, training=True).loss
                for variable, gradient in zip(
                    model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
                ):
                    variable.assign_sub(0.1 * gradient)
                return count + 1

            steps = train.batch(5).reduce(0, step)
            return OrderedDict(steps=steps, after=evaluate(model, test))

        return train_and_evaluate

    return tff.learning.algorithms.build_personalization_eval_computation(
        _model, OrderedDict(sgd=personalize), evaluate, max_num_clients=CLIENTS
    )


def _personalized(computation: Any) -> Leaves:
    weights = tff.learning.models.ModelWeights.from_model(_model()).convert_variables_to_arrays()
    examples = [dataset.unbatch() for dataset in _datasets()]
    clients = [OrderedDict(train_data=dataset, test_data=dataset) for dataset in examples]
    return _called(computation, weights, clients)


def _analytics() -> Iterator[Case]:
    yield Case(
        "analytics.hierarchical_histogram",
        lambda: tff.analytics.build_hierarchical_histogram_process(
            0.0, 10.0, 8, clip_mechanism="distinct", enable_secure_sum=False
        ),
        _histogram,
    )
    yield Case(
        "analytics.heavy_hitters.iblt",
        lambda: tff.analytics.heavy_hitters.iblt.build_iblt_computation(
            capacity=20, string_max_bytes=10, max_words_per_user=5, seed=7
        ),
        _heavy_hitters,
    )


def _histogram(process: Any) -> Leaves:
    values = np.random.default_rng(4).uniform(0, 10, (CLIENTS, 5)).astype(np.float32)
    datasets = [tf.data.Dataset.from_tensor_slices(client) for client in values]
    counts, splits, _ = _called(process.next, process.initialize(), datasets)  # without the time of the round
    return [counts, splits]


def _heavy_hitters(computation: Any) -> Leaves:
    words = ["apple", "pear", "fig", "apple", "fig", "fig", "plum"]
    clients = [tf.data.Dataset.from_tensor_slices(words[number : number + 3]).batch(2) for number in range(CLIENTS)]
    result = computation(clients)
    counts = dict(zip(result.heavy_hitters.tolist(), result.heavy_hitters_counts.tolist(), strict=True))
    return [np.array([counts[word] for word in sorted(counts)]), np.array(sorted(counts))]
