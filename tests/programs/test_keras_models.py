"""Keras' `fit` is the reference: on one client, one round of federated averaging is `fit` on its examples."""

import importlib

import numpy as np
import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_coordinator.programs import evaluation, exports
from fedjobs_coordinator.programs import weights as weight_files

from tests.compute.interpreter import Interpreter
from tests.programs.contexts import classes
from tests.programs.test_models import ENTRY, build, entrypoint, train_once

pytestmark = pytest.mark.training

ROWS = classes(1, 22)
PLAIN = {"client__shuffleBuffer": 0, "client__learningRate": 0.3, "client__batchSize": 8, "client__epochs": 1}


def fitted(name):
    """Returns the losses and the model of Keras' `fit`, from the same initial weights."""
    tf.keras.utils.set_random_seed(7)
    tf.keras.backend.reset_uids()
    model = getattr(importlib.import_module(ENTRY), name)()
    model.compile(
        tf.keras.optimizers.SGD(0.3),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x, y = np.stack([row["x"] for row in ROWS]), np.stack([row["y"] for row in ROWS])
    history = model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0).history
    return float(np.mean(history["loss"])), model, model.evaluate(x, y, batch_size=8, verbose=0)[0]


@pytest.mark.parametrize("name", ["frozen_base", "penalized", "built_before", "brain_float"])
def test_a_model_is_trained_as_by_fit(name, tmp_path):
    loss, expected, evaluated = fitted(name)
    parameters, model = build(**entrypoint(name, metrics=["accuracy"]), **PLAIN)
    shard, weights, metrics = train_once(parameters, model, ROWS)
    assert b"VarHandleOp" not in shard
    tolerance = {"rtol": 1e-2, "atol": 5e-3} if name == "brain_float" else {"rtol": 1e-4, "atol": 1e-5}
    for actual, wanted in [
        (weights.trainable, expected.trainable_variables), (weights.non_trainable, expected.non_trainable_variables)
    ]:  # fmt: skip
        for array, variable in zip(actual, wanted, strict=True):
            np.testing.assert_allclose(array, variable.numpy(), err_msg=variable.name, **tolerance)
    np.testing.assert_allclose(metrics["train"]["loss"], loss, **tolerance)
    assert metrics["train"]["examples"] == len(ROWS)
    # The model's evaluation and its export have the same weights in the same places.
    computations = evaluation.build(model, 8)
    sums = Interpreter(computations.evaluate)(weights, [ROWS])
    np.testing.assert_allclose(Interpreter(computations.finalize)(sums)["loss"], evaluated, **tolerance)
    exports.export(tmp_path, program="fedavg", model=model, weights=weights, rounds=1, formats=["savedmodel", "keras"])
    x = np.stack([row["x"] for row in ROWS])
    served = tf.saved_model.load(str(tmp_path / "model/savedmodel")).signatures["serving_default"](x=tf.constant(x))
    np.testing.assert_allclose(served["outputs"], expected(x), **tolerance)
    loaded = tf.keras.models.load_model(tmp_path / "model/model.keras")
    np.testing.assert_allclose(loaded(x), expected(x), **tolerance)


def test_frozen_weights_stay_bit_for_bit():
    parameters, model = build(**entrypoint("frozen_base"), **PLAIN)
    _, weights, _ = train_once(parameters, model, ROWS)
    names, start = weight_files.names_of(model), model.training.initial_weights
    assert names.trainable == ("head/kernel", "head/bias")
    assert len(names.non_trainable) == 6
    for before, after in zip(start[1], weights.non_trainable, strict=True):
        np.testing.assert_array_equal(before, after)


def test_constraints_hold_after_each_round():
    parameters, model = build(**entrypoint("penalized"), **PLAIN, server={"optimizer": "sgd", "learningRate": 3.0})
    _, weights, _ = train_once(parameters, model, ROWS)
    assert np.linalg.norm(weights.trainable[0], axis=0).max() < 0.9 + 1e-5
    assert weights.trainable[5].min() >= 0


def test_random_layers_draw_from_the_seed_of_the_round():
    (parameters, model), (_, other) = build(**entrypoint("augmented")), build(**entrypoint("augmented"), seed=8)
    assert model.randomized
    shard, first, _ = train_once(parameters, model, ROWS)
    same_shard, again, _ = train_once(parameters, build(**entrypoint("augmented"))[1], ROWS)
    assert shard == same_shard
    assert all(np.array_equal(a, b) for a, b in zip(first.trainable, again.trainable, strict=True))
    assert other.randomized


def test_a_model_that_cannot_be_written_is_found_before_the_first_round(tmp_path):
    _, model = build(**entrypoint("unwritable"))
    with pytest.raises(FedjobsError, match="cannot be written as keras") as caught:
        exports.rehearse(tmp_path, model=model, formats=["keras"])
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    assert "\n" not in caught.value.message
    assert not list(tmp_path.iterdir())
