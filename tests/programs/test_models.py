import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import parse_parameters
from fedjobs_coordinator.programs import models, training

from tests.compute.interpreter import Interpreter
from tests.programs.contexts import classes
from tests.programs.jobs import fedavg, layers

pytestmark = pytest.mark.training

ENTRY = "tests.programs.entry_models"


def build(**changes):
    parameters = parse_parameters("fedavg", fedavg(**changes))
    return parameters, models.build(parameters.model, parameters.seed)


def entrypoint(name, **changes):
    return {"model": {"entrypoint": f"{ENTRY}:{name}", "loss": "sparse_categorical_crossentropy", **changes}}


def train_once(parameters, model, rows):
    process = training.build(model, parameters)
    step = Interpreter(process.next)
    shard = step.plan.stages[0].shard
    state, metrics = step(Interpreter(process.initialize)(), [rows])
    return shard, Interpreter(process.model_weights)(state), metrics


@pytest.mark.parametrize(
    ("input_shape", "items"),
    [
        ([64], [{"Reshape": {"targetShape": [8, 8, 1]}},
                {"Conv2D": {"filters": 4, "kernelSize": 3, "activation": "relu"}},
                {"GroupNormalization": {"groups": 2}}, "MaxPooling2D", {"AveragePooling2D": {"poolSize": [1, 2]}},
                "Flatten", {"Dense": {"units": 3}}]),
        ([8, 8, 2], [{"Conv2D": {"filters": 3, "kernelSize": [3, 1], "padding": "same"}}, "GlobalAveragePooling2D",
                     "LayerNormalization", {"Activation": {"activation": "softmax"}}]),
        ([6], [{"Embedding": {"inputDim": 10, "outputDim": 4}}, {"GRU": {"units": 5, "returnSequences": True}},
               {"LSTM": {"units": 5}}, {"Dense": {"units": 3, "activation": "softmax"}}]),
    ],
    ids=["convolution", "images", "sequences"],
)  # fmt: skip
def test_every_layer_of_the_list_is_trained_without_variables(input_shape, items):
    parameters, model = build(model__keras={"input": input_shape, "layers": items})
    random = np.random.default_rng(0)
    dtype = np.int32 if "Embedding" in items[0] else np.float32
    rows = [{"x": random.integers(0, 9, input_shape).astype(dtype), "y": np.int32(i % 3)} for i in range(12)]
    shard, weights, metrics = train_once(parameters, model, rows)
    assert metrics["finite"]
    assert b"VarHandleOp" not in shard
    assert b"VariableV2" not in shard
    start = model.training.initial_weights[0]
    assert any(np.any(a != b) for a, b in zip(weights.trainable, start, strict=True))


def test_the_seed_determines_the_initial_weights():
    first, again, other = (build(seed=seed)[1].training.initial_weights[0] for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_layers_of_the_same_shape_start_with_different_weights():
    _, model = build(**layers({"Dense": {"units": 4}}, {"Dense": {"units": 4}}, {"Dense": {"units": 3}}))
    weights = model.training.initial_weights[0]
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"Conv2D": {"filters": 2, "kernelSize": 3}}, "Flatten", {"Dense": {"units": 3}}], "layers[0].Conv2D"),
        ([{"Reshape": {"targetShape": [3, 2]}}, {"Dense": {"units": 3}}], "layers[0].Reshape"),
        ([{"Reshape": {"targetShape": [2, 2]}}, {"Dense": {"units": 3}}], "outputs of shape [2, 3]"),
        ([{"Dense": {"units": 6}}, {"GroupNormalization": {"groups": 4}}, {"Dense": {"units": 3}}], "layers[1].Group"),
    ],
)
def test_incompatible_layers_are_named(items, message):
    with pytest.raises(FedjobsError) as caught:
        build(**layers(*items))
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    assert message in caught.value.message
    assert "\n" not in caught.value.public


def test_an_unseeded_keras_model_of_an_entry_point_is_seeded():
    first, again = (build(**entrypoint("keras_model"))[1].training.initial_weights[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_an_entry_points_dropout_is_deterministic():
    (parameters, model), rows = build(**entrypoint("keras_model", metrics=["accuracy"])), classes(1, 20)
    assert model.randomized
    _, first, _ = train_once(parameters, model, rows)
    _, again, _ = train_once(parameters, model, rows)
    assert all(np.array_equal(a, b) for a, b in zip(first.trainable, again.trainable, strict=True))


def test_an_entry_points_functional_model_has_its_own_loss_and_metrics():
    parameters, model = build(model={"entrypoint": f"{ENTRY}:functional"})
    _, _, metrics = train_once(parameters, model, classes(1, 20))
    assert set(metrics["train"]) == {"accuracy"}


def test_named_features_keep_their_names_in_the_silos():
    _, model = build(**entrypoint("branches"))
    assert model.example_type.compact_representation() == "<x=<a=float32[2],b=float32[3]>,y=int32>"


@pytest.mark.parametrize(
    ("model", "message", "remedy"),
    [
        (entrypoint("functionl"), "has no 'functionl'", "Did you mean 'functional'?"),
        (entrypoint("functional"), "has its own loss", "Remove loss"),
        (entrypoint("number"), "returned a int", "Return a Keras model"),
        (entrypoint("failing"), "failed with RuntimeError: no luck", "Correct the function"),
        (entrypoint("unbuilt"), "inputs are unknown", "tf.keras.Input"),
        (entrypoint("noisy"), "the layer 'noise' (Noise) draws random numbers from state", "function of its inputs"),
        (entrypoint("normalized"), "the layer 'inner_bn' (BatchNormalization) changes its weight", "freeze it"),
        (entrypoint("counting"), "the layer 'counter' (Counter) changes its weight 'counter/count'", "Remove it"),
        (entrypoint("half_precision"), "the layer 'half' (Dense) computes in float16", "Remove it"),
        (entrypoint("strings"), "the layer 'lookup' (StringLookup) uses state", "function of its inputs"),
        (entrypoint("own_training_step"), "the model 'model' (Model) overrides train_step()", "Remove it"),
        ({"model": {"entrypoint": f"{ENTRY}:random_functional"}}, "jitter", "stateless"),
        (entrypoint("keras_model", loss="mse"), "mse needs one output, the model has 3", "units"),
        (
            {"model": {"entrypoint": "no_such_module:f", "loss": "mse"}},
            "there is no module 'no_such_module'",
            "Install",
        ),
        ({"model": {"entrypoint": f"{ENTRY}:keras_model"}}, "model.loss", "Add it"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_refused_with_the_reason(model, message, remedy):
    with pytest.raises(FedjobsError) as caught:
        build(**model)
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.message
