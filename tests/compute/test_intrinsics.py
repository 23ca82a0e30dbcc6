"""Each intrinsic of TensorFlow Federated has the result of NumPy, or is refused by name."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.intrinsics import INTRINSICS
from fedjobs_compute.planner.planning import plan
from tensorflow_federated.python.core.impl.compiler import intrinsic_defs

from tests.compute.interpreter import Interpreter
from tests.compute.test_stages import INT_AT_CLIENTS, added, times

INT_AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
PAIR = tff.StructType([("a", np.int32), ("b", tff.TensorType(np.float32, [2]))])
VALUES = [np.int32(n) for n in (3, -1, 4, 1, 5)]
ARRAY = np.array(VALUES)
Case = tuple[Any, tuple[Any, ...], Any]


def test_the_table_has_all_intrinsics() -> None:
    defined = {d.uri for d in vars(intrinsic_defs).values() if isinstance(d, intrinsic_defs.IntrinsicDef)}
    assert set(INTRINSICS) == defined


def _aggregate() -> Case:
    @tff.tensorflow.computation(np.int32, np.int32)
    def larger(a: Any, b: Any) -> Any:
        return tf.maximum(a, b)

    @tff.tensorflow.computation(np.int32)
    def negative(a: Any) -> Any:
        return -a

    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        return tff.federated_aggregate(values, np.int32(-100), larger, larger, negative)

    return asked, (VALUES,), -5


def _apply_and_broadcast() -> Case:
    @tff.tensorflow.computation(np.int32)
    def plus_one(a: Any) -> Any:
        return a + 1

    @tff.federated_computation(INT_AT_SERVER, INT_AT_CLIENTS)
    def asked(offset: Any, values: Any) -> Any:
        sent = tff.federated_broadcast(tff.federated_map(plus_one, offset))
        return tff.federated_sum(tff.federated_map(added, (values, sent)))

    return asked, (np.int32(9), VALUES), ARRAY.sum() + 50


def _eval() -> Case:
    @tff.tensorflow.computation
    def seven() -> Any:
        return tf.constant(7)

    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        at_clients = tff.federated_eval(seven, tff.CLIENTS)
        return tff.federated_sum(tff.federated_map(added, (values, at_clients))), tff.federated_eval(seven, tff.SERVER)

    return asked, (VALUES,), (ARRAY.sum() + 35, 7)


def _value() -> Case:
    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        two = tff.federated_value(np.int32(2), tff.CLIENTS)
        product = tff.federated_sum(tff.federated_map(times, (values, two)))
        return product, tff.federated_value(np.int32(3), tff.SERVER)

    return asked, (VALUES,), (2 * ARRAY.sum(), 3)


def _extremes() -> Case:
    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        return tff.federated_min(values), tff.federated_max(values), tff.federated_sum(values)

    return asked, (VALUES,), (ARRAY.min(), ARRAY.max(), ARRAY.sum())


def _means() -> Case:
    floats = tff.FederatedType(np.float32, tff.CLIENTS)
    values, weights = np.array([1, 2, 6], np.float32), np.array([1, 1, 2], np.float32)

    @tff.federated_computation(floats, floats)
    def asked(values: Any, weights: Any) -> Any:
        return tff.federated_mean(values), tff.federated_mean(values, weights)

    return asked, (list(values), list(weights)), (values.mean(), np.average(values, weights=weights))


def _select() -> Case:
    @tff.tensorflow.computation(np.int32)
    def two_keys(key: Any) -> Any:
        return tf.stack([key, key + 1])

    @tff.tensorflow.computation(tff.TensorType(np.int32, [4]), np.int32)
    def row(table: Any, key: Any) -> Any:
        return table[key]

    @tff.tensorflow.computation(tff.SequenceType(np.int32))
    def total(rows: Any) -> Any:
        return rows.reduce(0, lambda a, b: a + b)

    @tff.federated_computation(INT_AT_CLIENTS, tff.FederatedType(tff.TensorType(np.int32, [4]), tff.SERVER))
    def asked(keys: Any, table: Any) -> Any:
        both = tff.federated_map(two_keys, keys)
        rows = tff.federated_select(both, tff.federated_value(np.int32(4), tff.SERVER), table, row)
        return tff.federated_sum(tff.federated_map(total, rows))

    return asked, ([np.int32(0), np.int32(2)], np.array([1, 10, 100, 1000], np.int32)), 1111


def _sequences() -> Case:
    """Elements are structures, and clients have different numbers of them, also none."""
    element = tff.StructType([("z", np.int32), ("a", np.int32)])

    @tff.tensorflow.computation(element)
    def difference(e: Any) -> Any:
        return e["z"] - e["a"]

    @tff.federated_computation(tff.SequenceType(element))
    def local(rows: Any) -> Any:
        differences = tff.sequence_map(difference, rows)
        return tff.sequence_reduce(differences, np.int32(0), added), tff.sequence_sum(differences)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(element), tff.CLIENTS))
    def asked(rows: Any) -> Any:
        return tff.federated_sum(tff.federated_map(local, rows))

    clients = [[(5, 1), (7, 2)], [], [(1, 1)]]
    rows = [[collections.OrderedDict(z=np.int32(z), a=np.int32(a)) for z, a in client] for client in clients]
    return asked, (rows,), (9, 9)


def _ragged_batches() -> Case:
    batch = tff.TensorType(np.int32, [None])

    @tff.tensorflow.computation(tff.SequenceType(batch))
    def local(batches: Any) -> Any:
        return batches.reduce(0, lambda total, b: total + tf.reduce_sum(b) * tf.size(b))

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(batch), tff.CLIENTS))
    def asked(batches: Any) -> Any:
        return tff.federated_sum(tff.federated_map(local, batches))

    rows = [[np.array([1, 2], np.int32), np.array([3], np.int32)], [np.zeros(0, np.int32)]]
    return asked, (rows,), 3 * 2 + 3


def _nested_unnamed_and_empty_structures() -> Case:
    nested = tff.StructType([("p", PAIR), (None, tff.StructType([])), (None, np.int32)])

    @tff.tensorflow.computation(PAIR, np.int32)
    def scaled(pair: Any, factor: Any) -> Any:
        return collections.OrderedDict(a=pair["a"] * factor, b=pair["b"] * 2)

    @tff.federated_computation(nested)
    def local(value: Any) -> Any:
        return scaled(value[0], value[2]), value[1]

    @tff.federated_computation(tff.FederatedType(nested, tff.CLIENTS))
    def asked(values: Any) -> Any:
        return tff.federated_sum(tff.federated_map(local, values))

    def of(a: int, factor: int) -> Any:
        pair = tff.structure.Struct([("a", np.int32(a)), ("b", np.array([1, a], np.float32))])
        return tff.structure.Struct([("p", pair), (None, tff.structure.Struct([])), (None, np.int32(factor))])

    return asked, ([of(2, 10), of(3, 5)],), ([2 * 10 + 3 * 5, [4, 10]], [])


def _strings() -> Case:
    @tff.tensorflow.computation(np.str_, np.str_)
    def join(a: Any, b: Any) -> Any:
        return tf.strings.join([a, b])

    @tff.tensorflow.computation(np.str_)
    def same(a: Any) -> Any:
        return tf.identity(a)

    @tff.federated_computation(tff.FederatedType(np.str_, tff.CLIENTS))
    def asked(words: Any) -> Any:
        return tff.federated_aggregate(words, ">", join, join, same)

    return asked, (["a", "ü"],), ">aü".encode()


def _lambdas() -> Case:
    """Federated computations as arguments of others, which capture a value without a placement."""

    @tff.federated_computation(INT_AT_CLIENTS, np.int32)
    def asked(values: Any, factor: Any) -> Any:
        @tff.federated_computation(np.int32)
        def scaled(value: Any) -> Any:
            return times(value, factor)

        return tff.federated_sum(tff.federated_map(scaled, values))

    return asked, (VALUES, np.int32(3)), 3 * ARRAY.sum()


def _zip_at_server() -> Case:
    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        both = tff.federated_zip((tff.federated_sum(values), tff.federated_max(values)))
        return tff.federated_map(times, both)

    return asked, (VALUES,), ARRAY.sum() * ARRAY.max()


def _without_placement() -> Case:
    @tff.federated_computation(np.int32, tff.SequenceType(np.int32))
    def asked(value: Any, numbers: Any) -> Any:
        return added(value, tff.sequence_sum(numbers)), "text"

    return asked, (np.int32(4), [np.int32(1), np.int32(2)]), (7, b"text")


@pytest.mark.parametrize(
    "case",
    [
        _aggregate,
        _apply_and_broadcast,
        _eval,
        _value,
        _extremes,
        _means,
        _select,
        _sequences,
        _ragged_batches,
        _nested_unnamed_and_empty_structures,
        _strings,
        _lambdas,
        _zip_at_server,
        _without_placement,
    ],
)
def test_a_computation_has_the_result_of_numpy(case: Any) -> None:
    computation, arguments, expected = case()
    assert _plain(Interpreter(computation)(*arguments)) == _plain(expected)


def test_an_empty_sequence_without_placement_has_the_sum_zero() -> None:
    computation, _, _ = _without_placement()
    assert _plain(Interpreter(computation)(np.int32(4), [])) == [4, b"text"]


def _plain(value: Any) -> Any:
    """Returns a result as lists and numbers."""
    if isinstance(value, Mapping):
        return [_plain(v) for v in value.values()]
    if isinstance(value, tff.structure.Struct | tuple | list):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _secure(name: str, *arguments: Any) -> Any:
    @tff.federated_computation(INT_AT_CLIENTS)
    def asked(values: Any) -> Any:
        return getattr(tff, name)(values, *arguments)

    return asked


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("federated_secure_sum", (np.int32(7),)),
        ("federated_secure_sum_bitwidth", (np.int32(7),)),
    ],
)
def test_a_secure_sum_is_refused_by_name_and_never_computed_in_the_clear(name: str, arguments: Any) -> None:
    with pytest.raises(FedjobsError, match=f"{name}.*never computes a secure sum in the clear") as raised:
        plan(_secure(name, *arguments))
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION


def test_an_aggregation_of_a_computation_without_clients_is_refused() -> None:
    @tff.federated_computation
    def ones() -> Any:
        return tff.federated_sum(tff.federated_value(np.int32(1), tff.CLIENTS))

    with pytest.raises(FedjobsError, match="the number of clients is not known") as raised:
        plan(ones)
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION
