import asyncio
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import parse_parameters
from fedjobs_coordinator.programs import BUILTIN, exports, models
from fedjobs_coordinator.programs import weights as weight_files

from tests.programs.contexts import InProcessContext
from tests.programs.jobs import fedavg

_LOADS_WITH_PLAIN_TENSORFLOW = """
import json, sys
import numpy as np, tensorflow as tf
x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
served = tf.saved_model.load(sys.argv[1] + "/savedmodel").signatures["serving_default"](x=tf.constant(x))["outputs"]
model = tf.keras.models.load_model(sys.argv[1] + "/model.keras")
assert "tensorflow_federated" not in sys.modules
print(json.dumps([served.numpy().tolist(), model(x).numpy().tolist(), [w.name for w in model.weights]]))
"""


def run(program, parameters, datasets, directory, **arguments):
    context = InProcessContext(program, parameters, datasets, directory, **arguments)
    asyncio.run(BUILTIN[program]()(context))
    return context


@pytest.fixture(scope="module")
def result(tmp_path_factory, datasets):
    directory = tmp_path_factory.mktemp("result")
    context = run(
        "fedavg", fedavg(evaluation={"dataset": "test"}), datasets, directory, formats=["savedmodel", "keras"]
    )
    return directory, context


def test_the_digest_is_that_of_the_weights_file(result):
    directory, _ = result
    written = json.loads((directory / "result.json").read_text())
    assert written["program"] == "fedavg"
    assert written["rounds"] == 3
    assert set(written["model"]["files"]) == {"weights", "savedmodel", "keras"}
    content = (directory / written["model"]["files"]["weights"]).read_bytes()
    assert written["model"]["digest"] == digest(content)


def test_the_keras_file_has_the_native_format_whatever_thread_writes_it(result):
    assert (result[0] / "model/model.keras").read_bytes().startswith(b"PK")  # a zip file, not HDF5


def test_weights_are_named_by_layer(result):
    arrays = safetensors.numpy.load_file(result[0] / "model/weights.safetensors")
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {"dense_0/kernel": (4, 8), "dense_0/bias": (8,), "dense_1/kernel": (8, 3), "dense_1/bias": (3,)}


@pytest.mark.processes
def test_the_models_load_in_a_new_process_with_plain_tensorflow_and_agree_with_the_weights(result):
    command = [sys.executable, "-c", _LOADS_WITH_PLAIN_TENSORFLOW, str(result[0] / "model")]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    served, loaded, names = json.loads(process.stdout.splitlines()[-1])
    arrays = safetensors.numpy.load_file(result[0] / "model/weights.safetensors")
    x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    hidden = np.maximum(x @ arrays["dense_0/kernel"] + arrays["dense_0/bias"], 0)
    expected = hidden @ arrays["dense_1/kernel"] + arrays["dense_1/bias"]
    np.testing.assert_allclose(served, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded, expected, rtol=1e-5, atol=1e-6)
    assert names == ["dense_0/kernel:0", "dense_0/bias:0", "dense_1/kernel:0", "dense_1/bias:0"]


def test_evaluate_returns_the_last_metrics_of_the_training(result, datasets, tmp_path):
    directory, training = result
    parameters = {"model": fedavg()["model"], "weights": str(directory / "model/weights.safetensors")}
    context = run("evaluate", parameters, {"test": datasets["test"]}, tmp_path)
    seen = {name: value for name, value in training.finished[3].items() if name.startswith("evaluation/")}
    assert context.finished[1] == seen
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["metrics"] == seen
    assert written["model"]["digest"] == json.loads((directory / "result.json").read_text())["model"]["digest"]


def test_weights_of_another_model_are_refused(result, datasets, tmp_path):
    path = str(result[0] / "model/weights.safetensors")
    model = fedavg(model__keras={"input": [4], "layers": [{"Dense": {"units": 9}}, {"Dense": {"units": 3}}]})["model"]
    with pytest.raises(FedjobsError) as caught:
        run("evaluate", {"model": model, "weights": path}, {"test": datasets["test"]}, tmp_path)
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    assert "dense_0/kernel is float32[4, 8] in the file, and float32[4, 9] in the model" in caught.value.message


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b"nonsense", "not a safetensors file")])
def test_unreadable_weights_are_refused(content, message, datasets, tmp_path):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FedjobsError) as caught:
        run("evaluate", {"model": fedavg()["model"], "weights": str(path)}, {"test": datasets["test"]}, tmp_path)
    assert "spec.program.parameters.weights is" in caught.value.message
    assert message in caught.value.message


def test_the_weights_of_a_model_with_branches_are_restored_in_the_right_places(tmp_path):
    entry = {"entrypoint": "tests.programs.entry_models:branches", "loss": "sparse_categorical_crossentropy"}
    model = models.build(parse_parameters("fedavg", fedavg(model=entry)).model, 7)
    import tensorflow_federated as tff

    weights = tff.learning.models.ModelWeights(*model.training.initial_weights)
    exports.export(tmp_path, program="fedavg", model=model, weights=weights, rounds=1, formats=["savedmodel"])
    arrays = safetensors.numpy.load_file(tmp_path / "model/weights.safetensors")
    expected = {variable.name.removesuffix(":0"): variable.numpy() for variable in model.keras.variables}
    assert {name: array.tolist() for name, array in arrays.items()} == {n: a.tolist() for n, a in expected.items()}
    read = weight_files.read(tmp_path / "model/weights.safetensors", model)
    assert all(np.array_equal(a, b) for a, b in zip(read.trainable, weights.trainable, strict=True))


def test_a_functional_model_exports_its_weights_only(datasets, tmp_path):
    parameters = fedavg(rounds=1, model={"entrypoint": "tests.programs.entry_models:functional"})
    run("fedavg", parameters, datasets, tmp_path, formats=["savedmodel", "keras"])
    assert set(json.loads((tmp_path / "result.json").read_text())["model"]["files"]) == {"weights"}
    assert set(safetensors.numpy.load_file(tmp_path / "model/weights.safetensors")) == {"trainable/0", "trainable/1"}
