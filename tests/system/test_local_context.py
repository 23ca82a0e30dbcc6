"""Any TFF computation runs on real silo processes with the same results as the sequential interpreter of its plan."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs.local import LocalFederation
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import SiloState
from fedjobs_coordinator.aggregation.blob_store import StoredArray
from fedjobs_coordinator.invocations.invocations import Invocations
from fedjobs_coordinator.invocations.tff_contexts import AsyncContext, SyncContext, federated_context

from tests.cluster.readiness import wait_until
from tests.compute import computations as c
from tests.compute.interpreter import Interpreter, leaves

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("federation")]
F = np.float32
LARGE = 300_000  # elements: much more than is sent inline


@pytest.mark.parametrize(
    ("computation", "arguments"),
    [
        (c.sum_of_shifted, (F(10), [F(1), F(2), F(4)])),
        (c.weighted_mean, ([F(1), F(4), F(2)], [F(3), F(1), F(5)])),
        (c.extremes, ([F(3), F(-1), F(2)],)),
        (c.count_known_words, (["a", "b", "zz"],)),
        (c.sum_of_doubled_elements, ([[F(1), F(2)], [F(3)], [F(4)]],)),
        (c.captured_everywhere, ([F(1), F(2), F(3)], F(10))),
        (c.literals_in_the_result, ([F(1), F(2), F(0.1)],)),
        (c.selected, ([2, 3, 4], F(5))),
    ],
)
def test_one_client_per_silo_has_the_bits_of_the_interpreter(computation: Any, arguments: tuple[Any, ...]) -> None:
    result_type = computation.type_signature.result
    ours, expected = computation(*arguments), Interpreter(computation)(*arguments)
    for a, b in zip(leaves(ours, result_type), leaves(expected, result_type), strict=True):
        assert a.tobytes() == b.tobytes() if a.dtype != object else a.tolist() == b.tolist()


def test_strings_are_merged_in_the_order_of_the_silos() -> None:
    assert c.concatenated(["x", "y", "z", "w"]) == b"xyzw."


def test_more_silos_than_clients_and_no_clients_at_all() -> None:
    assert c.extremes([F(7)]) == (7, 7, 7)
    assert c.sum_of_shifted(F(1), []) == 0


def _vector_sum() -> Any:
    vector = tff.TensorType(np.float32, (LARGE,))

    @tff.tensorflow.computation(vector, np.float32)
    def scale(a: Any, b: Any) -> Any:
        return a * b

    @tff.federated_computation(tff.FederatedType(vector, tff.SERVER), c.FLOAT_AT_CLIENTS)
    def scaled_sum(value: Any, factors: Any) -> Any:
        return tff.federated_sum(tff.federated_map(scale, (tff.federated_broadcast(value), factors)))

    return scaled_sum


def test_large_values_are_sent_as_blobs_and_returned_as_files() -> None:
    computation = _vector_sum()
    value = np.random.default_rng(1).normal(size=LARGE).astype(np.float32)
    first = computation(value, [F(0.5)] * 3)
    assert isinstance(first, StoredArray)
    assert np.array_equal(first, value * F(0.5) + value * F(0.5) + value * F(0.5))
    second = computation(first, [F(2), F(0), F(0)])  # the stored file is sent again
    assert np.array_equal(second, first * F(2))


def test_values_that_are_not_finite_are_values_like_others() -> None:
    lowest, highest, total = c.extremes([F(1), F(np.inf), F(5)])
    assert (lowest, highest, total) == (1, np.inf, np.inf)
    assert np.isnan(c.extremes([F(1), F(np.nan), F(5)])[2])


@pytest.fixture
def as_in_a_job(federation: LocalFederation) -> Iterator[None]:
    """Runs the test's computations by the rules of a job."""
    context = SyncContext(Invocations(federation.coordinator, durable_at_once=True))
    with tff.framework.get_context_stack().install(context):
        yield


@pytest.mark.usefixtures("as_in_a_job")
def test_a_silo_that_sends_nan_is_excluded_by_name_if_enough_others_take_part(
    federation: LocalFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = federation.coordinator.job.cohort.model_copy(update={"min_silos": 2})
    job = federation.coordinator.job.model_copy(update={"cohort": cohort})
    monkeypatch.setattr(federation.coordinator, "job", job)
    assert c.extremes([F(1), F(np.nan), F(5)]) == (1, 5, 6)
    row = federation.coordinator.roster.rows()[1]
    assert (row.name, row.state, row.reason) == ("silo-001", SiloState.READY, "ReportNotFinite")
    assert "silo-001" in row.message


@pytest.mark.usefixtures("as_in_a_job")
def test_nan_from_too_many_silos_ends_the_computation_and_names_them() -> None:
    with pytest.raises(FedjobsError, match=r"silo-000.*NaN") as raised:
        c.extremes([F(np.nan), F(1), F(5)])
    assert raised.value.code is ErrorCode.COHORT_TOO_SMALL


def test_a_shard_that_fails_in_a_silo_names_the_silo_and_the_next_one_runs() -> None:
    @tff.tensorflow.computation(np.float32)
    def must_be_positive(value: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_greater(value, 0.0)]):
            return tf.identity(value)

    @tff.federated_computation(c.FLOAT_AT_CLIENTS)
    def checked(values: Any) -> Any:
        return tff.federated_sum(tff.federated_map(must_be_positive, values))

    with pytest.raises(FedjobsError, match="silo-001"):
        checked([F(1), F(-1), F(2)])
    assert checked([F(1), F(1), F(2)]) == 4


def test_an_operation_on_files_is_refused_by_the_silos_policy_with_the_rule(
    federation: LocalFederation,
) -> None:
    @tff.tensorflow.computation(np.str_)
    def read(path: Any) -> Any:
        return tf.strings.length(tf.io.read_file(path))

    @tff.federated_computation(c.STRING_AT_CLIENTS)
    def sizes(paths: Any) -> Any:
        return tff.federated_sum(tff.federated_map(read, paths))

    with pytest.raises(FedjobsError, match=r"silo-000.*policy\.computations\.operations.*ReadFile"):
        sizes(["/etc/hostname"] * 3)
    refused = (SiloState.REFUSED, "policy.computations.operations")
    rows = federation.coordinator.roster.rows
    # The call ends with the refusal that leaves too few silos; the others' refusals may come later.
    wait_until("all silos refuse the computation", lambda: [(row.state, row.reason) for row in rows()] == [refused] * 3)
    assert c.extremes([F(1), F(2), F(3)]) == (1, 3, 6)  # other work continues


def test_secure_sums_are_refused_unless_they_are_simulated() -> None:
    with pytest.raises(FedjobsError, match="federated_secure_sum_bitwidth") as raised:
        c.secure_sum([np.int32(1), np.int32(2)])
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION


def test_awaited_computations_run_over_the_silos_too(federation: LocalFederation) -> None:
    async def program() -> Any:
        with tff.framework.get_context_stack().install(AsyncContext(federation.invocations)):
            return await c.extremes([F(1), F(2), F(3)])

    assert asyncio.run(program()) == (1, 3, 6)


def test_a_tff_program_runs_unchanged(federation: LocalFederation) -> None:
    """The context is a FederatedContext whose results are references that are materialized."""

    async def program() -> Any:
        with tff.framework.get_context_stack().install(federated_context(federation.invocations)):
            return await tff.program.materialize_value(c.extremes([F(1), F(2), F(3)]))

    assert asyncio.run(program()) == (1, 3, 6)


class _Lists(tff.program.FederatedDataSource, tff.program.FederatedDataSourceIterator):
    """Selects the same lists of batches each time. It can be copied and saved, which train_model requires."""

    clients: ClassVar[list[Any]] = []

    def __init__(self, type_: Any = None) -> None:
        self._type = type_

    def __deepcopy__(self, memo: Any) -> _Lists:
        return self

    @property
    def federated_type(self) -> Any:
        return self._type

    @property
    def capabilities(self) -> list[Any]:
        return [tff.program.Capability.SUPPORTS_REUSE]

    def iterator(self) -> _Lists:
        return self

    def select(self, k: int | None = None) -> Any:
        return self.clients[:k]

    def to_bytes(self) -> bytes:
        return b""

    @classmethod
    def from_bytes(cls, buffer: bytes) -> _Lists:
        return cls()


def test_tffs_train_model_runs_unchanged(federation: LocalFederation, tmp_path: Path) -> None:
    process, clients = _federated_averaging()
    _Lists.clients = [list(client) for client in clients]
    metrics = tff.program.MemoryReleaseManager()

    async def program() -> None:
        with tff.framework.get_context_stack().install(federated_context(federation.invocations)):
            await tff.learning.programs.train_model(
                train_process=process,
                train_data_source=_Lists(process.next.type_signature.parameter[1]),
                train_per_round_clients=len(clients),
                train_total_rounds=2,
                program_state_manager=tff.program.FileProgramStateManager(tmp_path),
                model_output_manager=tff.program.MemoryReleaseManager(),
                train_metrics_manager=metrics,
                evaluation_manager=None,
                evaluation_periodicity=1,
            )

    asyncio.run(program())
    rounds = [_flatten(value)["num_examples"] for value in metrics.values().values()]
    assert rounds == [39, 39]


def _flatten(value: Any) -> dict[str, Any]:
    """Returns the leaves by their own names, at any depth."""
    if not isinstance(value, Mapping):
        return {}
    inner = {k: v for part in value.values() for k, v in _flatten(part).items()}
    return {**{k: v for k, v in value.items() if not isinstance(v, Mapping)}, **inner}


def test_tffs_heavy_hitters_run() -> None:
    computation = tff.analytics.heavy_hitters.iblt.build_iblt_computation(
        capacity=20, string_max_bytes=10, max_words_per_user=5, seed=7
    )
    words = ["apple", "pear", "fig", "apple", "fig", "fig"]
    clients = [tf.data.Dataset.from_tensor_slices(words[i : i + 3]).batch(2) for i in range(3)]
    result = computation(clients)
    found = dict(zip(result.heavy_hitters.tolist(), result.heavy_hitters_counts.tolist(), strict=True))
    assert found == {b"apple": 3, b"pear": 2, b"fig": 4}


def _federated_averaging() -> tuple[Any, list[tf.data.Dataset]]:
    """Returns a learning process and the data of three clients."""
    spec = OrderedDict(x=tf.TensorSpec((None, 4), tf.float32), y=tf.TensorSpec((None,), tf.int32))

    def model() -> Any:
        initializer = tf.keras.initializers.GlorotUniform(seed=1)
        layers = [tf.keras.layers.InputLayer((4,)), tf.keras.layers.Dense(3, kernel_initializer=initializer)]
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return tff.learning.models.from_keras_model(tf.keras.Sequential(layers), input_spec=spec, loss=loss)

    generator = np.random.default_rng(3)

    def client(size: int) -> tf.data.Dataset:
        x = generator.normal(size=(size, 4)).astype(np.float32)
        y = generator.integers(0, 3, size).astype(np.int32)
        return tf.data.Dataset.from_tensor_slices(OrderedDict(x=x, y=y)).batch(5)

    process = tff.learning.algorithms.build_weighted_fed_avg(model, tff.learning.optimizers.build_sgdm(0.1))
    return process, [client(12), client(7), client(20)]


def test_a_round_of_federated_averaging_has_the_bits_of_the_interpreter() -> None:
    process, clients = _federated_averaging()
    state = process.initialize()
    ours = process.next(state, clients)
    expected = Interpreter(process.next)(state, clients)
    for a, b in zip(tf.nest.flatten(ours.state), tf.nest.flatten(expected.state), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert ours.metrics["client_work"]["train"]["num_examples"] == 39
