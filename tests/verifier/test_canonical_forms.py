"""A shard has one form: planning any other form with the same meaning gives it, and a silo refuses all others."""

# ruff: noqa: S311 (the random numbers choose tests)

from __future__ import annotations

import functools
from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute.canonical import canonical_shard
from fedjobs_compute.planner.planning import plan
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import verify
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compute import computations
from tests.verifier.equal_forms import FORMS
from tests.verifier.forging import honest
from tests.worker.learning_models import dense
from tests.worker.shard_builders import sequence, shard, tensor


@functools.cache
def _training() -> bytes:
    algorithms, optimizers = tff.learning.algorithms, tff.learning.optimizers
    return plan(algorithms.build_weighted_fed_avg(dense, optimizers.build_sgdm(0.1)).next).stages[0].shard


@functools.cache
def _words() -> bytes:
    return plan(computations.count_known_words).stages[0].shard


@functools.cache
def _segments() -> bytes:
    """A program with two graphs of which neither needs the other, and with an input that it returns."""

    def counting(known: list[str]) -> Any:
        @tff.tensorflow.computation(np.str_)
        def count(word: Any) -> Any:
            keys = tf.constant(known)
            table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, tf.range(len(known), dtype=tf.int32)), -1
            )
            return table.lookup(word)

        return count

    twice = tff.tensorflow.computation(lambda x: x * 2, np.int32)

    @tff.federated_computation(tff.FederatedType(np.str_, tff.CLIENTS), tff.FederatedType(np.int32, tff.CLIENTS))
    def counted(words: Any, numbers: Any) -> Any:
        found = [tff.federated_sum(tff.federated_map(counting(known), words)) for known in (["a"], ["b", "c", "d"])]
        return *found, tff.federated_sum(numbers), tff.federated_sum(tff.federated_map(twice, numbers))

    return plan(counted).stages[0].shard


@functools.cache
def _effects() -> bytes:
    """Operations with side effects, whose order only control inputs give. Some are equal but for their variables."""

    @tf.function
    def count(handle: tf.Tensor, other: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        tf.raw_ops.AssignAddVariableOp(resource=handle, value=x)
        tf.raw_ops.AssignAddVariableOp(resource=other, value=x)
        tf.debugging.assert_non_negative(x)
        read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        return read + tf.raw_ops.ReadVariableOp(resource=other, dtype=tf.float32)

    def work(dataset: tf.data.Dataset, offset: tf.Tensor) -> list[tf.Tensor]:
        handles = [tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name=f"v{i}") for i in range(5)]
        with tf.control_dependencies(
            [tf.raw_ops.AssignVariableOp(resource=h, value=tf.constant(0.0)) for h in handles]
        ):
            offset = tf.identity(offset)
        total = dataset.map(lambda x, y: tf.reduce_sum(x) + tf.cast(y, tf.float32)).reduce(0.0, lambda a, b: a + b)
        names = tf.constant(["a", "b", "b", "b"])
        size = tf.cast(tf.size(names) + tf.size(tf.constant([1, 2, 2, 2])), tf.float32)
        return [count(handles[0], handles[1], total) + offset + size + tf.reduce_sum(tf.constant([0.5] * 40))]

    return shard([], [sequence(x=tensor("float32", 2), y=tensor("int32")), tensor("float32")], work)


_SHARDS = {"functions": honest, "effects": _effects, "tables": _words, "segments": _segments, "training": _training}


def _serialized(message: shard_pb2.Shard) -> bytes:
    return message.SerializeToString(deterministic=True)


def _check(original: bytes, forms: list[str], random: Random) -> bool:
    """Checks a shard after some changes of its form. Returns whether they changed anything."""
    message = shard_pb2.Shard.FromString(original)
    for form in forms:
        FORMS[form](random, message)
    changed = _serialized(message)
    assert _serialized(canonical_shard(message)) == original
    if changed == original:
        return False
    with pytest.raises(FedjobsError) as caught:
        verify(changed)
    assert caught.value.code is ErrorCode.SHARD_REFUSED
    assert caught.value.remedy
    return True


@pytest.mark.parametrize("name", _SHARDS)
def test_a_planned_shard_is_in_the_canonical_form(name: str) -> None:
    original = _SHARDS[name]()
    assert verify(original).serialized == original
    assert _serialized(canonical_shard(shard_pb2.Shard.FromString(original))) == original


@pytest.mark.parametrize("form", FORMS)
def test_each_other_form_is_refused_and_planned_to_the_same_digest(form: str) -> None:
    applied = [_check(_SHARDS[name](), [form], Random(seed)) for name in _SHARDS for seed in range(3)]
    assert any(applied), "no shard of this test has what the form is about"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["functions", "effects", "tables", "segments"]),
    st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=6, unique=True),
    st.integers(0, 2**32),
)
def test_any_other_form_is_refused_and_planned_to_the_same_digest(name: str, forms: list[str], seed: int) -> None:
    # names come last: the other changes are about nodes with the planner's names
    forms = sorted(forms, key=lambda form: ("names_of_nodes" in form, "names_of_functions" in form))
    _check(_SHARDS[name](), forms, Random(seed))
