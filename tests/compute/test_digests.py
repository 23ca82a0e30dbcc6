"""The same Python program has the same shards in each process, so an approval holds for all processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """
import collections, random
import numpy as np, tensorflow as tf, tensorflow_federated as tff
from fedjobs_compute.planner.planning import plan
from tests.compute import computations as c

for _ in range(random.SystemRandom().randrange(5)):  # the counters of names differ between processes
    tf.keras.layers.Dense(1)(tf.zeros([1, 1]))
    tf.function(lambda x: x + 1)(1)

spec = collections.OrderedDict(x=tf.TensorSpec((None, 12), tf.float32), y=tf.TensorSpec((None,), tf.int32))

def model():
    dense = lambda units, seed, **more: tf.keras.layers.Dense(
        units, kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed), **more)
    keras = tf.keras.Sequential([tf.keras.layers.InputLayer((12,)), dense(8, 1, activation="relu"), dense(4, 2)])
    return tff.learning.models.from_keras_model(
        keras, input_spec=spec, loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()])

A, O = tff.learning.algorithms, tff.learning.optimizers
for computation in (
    c.sum_of_shifted, c.count_known_words, c.sum_of_doubled_elements,
    A.build_weighted_fed_avg(model, O.build_sgdm(0.1), O.build_adam(0.01)).next,
    A.build_fed_eval(model).next,
    A.build_fed_kmeans(num_clusters=3, data_shape=(4,), random_seed=(1, 2)).next,
):
    print(plan(computation).stages[0].digest)
"""


def _digests(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=240
    )
    return done.stdout.split()


@pytest.mark.processes
def test_shards_have_the_same_digests_with_different_hash_seeds() -> None:
    first, second = _digests("1"), _digests("4242")
    assert len(first) == 6
    assert first == second
    assert len(set(first)) == 6
