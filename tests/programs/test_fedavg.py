import asyncio
import json

import numpy as np
import pytest
import safetensors.numpy
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_coordinator.programs import BUILTIN, seeds

from tests.programs.contexts import Checkpoints, InProcessContext, KilledError, classes
from tests.programs.jobs import fedavg, layers

pytestmark = pytest.mark.training

WITH_DROPOUT = layers(
    {"Dense": {"units": 8, "activation": "relu"}}, {"Dropout": {"rate": 0.5}}, {"Dense": {"units": 3}}
)


def train(parameters, datasets, directory, **arguments):
    context = InProcessContext("fedavg", parameters, datasets, directory, **arguments)
    asyncio.run(BUILTIN["fedavg"]()(context))
    return context


def digest(directory):
    return json.loads((directory / "result.json").read_text())["model"]["digest"]


def weights(directory):
    return safetensors.numpy.load_file(directory / "model/weights.safetensors")


@pytest.fixture(scope="module")
def one_round(datasets, tmp_path_factory):
    """The result of one round with the default parameters."""
    directory = tmp_path_factory.mktemp("one-round")
    train(fedavg(rounds=1), datasets, directory)
    return directory


def test_training_improves_the_model_and_reports_flat_metrics(datasets, tmp_path):
    context = train(fedavg(evaluation={"dataset": "test"}), datasets, tmp_path)
    first, last = context.finished[1], context.finished[3]
    assert last["evaluation/accuracy"] > first["evaluation/accuracy"]
    assert last["train/loss"] < first["train/loss"]
    assert last["train/examples"] == 2 * 75  # two epochs
    assert last["train/clients"] == 3
    assert last["evaluation/examples"] == 50
    assert {"evaluation/silo/a/accuracy", "evaluation/silo/b/loss"} <= set(last)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"round": number, **context.finished[number]} for number in (1, 2, 3)]


def test_the_overall_metrics_are_those_of_all_examples_together(datasets, tmp_path):
    metrics = train(fedavg(rounds=1, evaluation={"dataset": "test"}), datasets, tmp_path).finished[1]
    by_silo = (30 * metrics["evaluation/silo/a/accuracy"] + 20 * metrics["evaluation/silo/b/accuracy"]) / 50
    assert metrics["evaluation/accuracy"] == pytest.approx(by_silo, rel=1e-6)


@pytest.mark.parametrize("changes", [{}, WITH_DROPOUT], ids=["plain", "dropout"])
def test_a_run_that_was_killed_during_training_has_the_same_bits(changes, datasets, tmp_path):
    train(fedavg(**changes), datasets, tmp_path / "undisturbed")
    checkpoints = Checkpoints()
    with pytest.raises(KilledError):
        train(fedavg(**changes), datasets, tmp_path / "killed", checkpoints=checkpoints, killed_before_save_of=2)
    context = train(fedavg(**changes), datasets, tmp_path / "killed", checkpoints=checkpoints)
    assert sorted(context.finished) == [2, 3]
    assert digest(tmp_path / "killed") == digest(tmp_path / "undisturbed")
    undisturbed, killed = (tmp_path / name / "metrics.jsonl" for name in ("undisturbed", "killed"))
    assert killed.read_bytes() == undisturbed.read_bytes()


def test_a_run_that_was_killed_during_the_export_only_exports(datasets, tmp_path):
    checkpoints = Checkpoints()
    train(fedavg(rounds=1), datasets, tmp_path, checkpoints=checkpoints)
    before = digest(tmp_path)
    context = train(fedavg(rounds=1), datasets, tmp_path, checkpoints=checkpoints)
    assert not context.finished
    assert digest(tmp_path) == before


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"client__shuffleBuffer": 0}, {"weighting": "uniform"}, {"weighting": {"cap": 5}},
     {"client__proximalStrength": 1.0}, {"server": {"optimizer": "adam", "learningRate": 0.1}},
     {"client__momentum": 0.9}],
    ids=str,
)  # fmt: skip
def test_each_parameter_has_an_effect(changes, datasets, one_round, tmp_path):
    train(fedavg(rounds=1, **changes), datasets, tmp_path)
    assert digest(tmp_path) != digest(one_round)


def test_a_cap_above_all_clients_examples_changes_nothing(datasets, one_round, tmp_path):
    train(fedavg(rounds=1, weighting={"cap": 30}), datasets, tmp_path)
    assert digest(tmp_path) == digest(one_round)


def test_a_cap_of_one_example_is_a_uniform_weight(datasets, tmp_path):
    train(fedavg(rounds=1, weighting="uniform"), datasets, tmp_path / "uniform")
    train(fedavg(rounds=1, weighting={"cap": 1}), datasets, tmp_path / "capped")
    for name, array in weights(tmp_path / "uniform").items():
        np.testing.assert_allclose(weights(tmp_path / "capped")[name], array, rtol=1e-5, atol=1e-7)


def test_the_proximal_term_keeps_clients_near_the_global_model(datasets, tmp_path):
    train(fedavg(rounds=1, client__learningRate=1e-30), datasets, tmp_path / "start")
    start = weights(tmp_path / "start")

    def distance(strength):
        train(fedavg(rounds=1, client__proximalStrength=strength), datasets, tmp_path / str(strength))
        trained = weights(tmp_path / str(strength))
        return sum(np.sum((trained[name] - start[name]) ** 2) for name in start)

    assert distance(2.0) < 0.5 * distance(0.0)


def test_the_last_round_is_always_evaluated(datasets, tmp_path):
    context = train(fedavg(evaluation={"dataset": "test", "everyRounds": 2}), datasets, tmp_path)
    evaluated = [number for number, metrics in context.finished.items() if "evaluation/loss" in metrics]
    assert evaluated == [2, 3]


def test_a_silo_without_examples_has_no_metrics(datasets, tmp_path):
    data = {"train": datasets["train"], "test": {"a": datasets["test"]["a"], "b": []}}
    metrics = train(fedavg(rounds=1, evaluation={"dataset": "test"}), data, tmp_path).finished[1]
    assert metrics["evaluation/examples"] == 30
    assert not any(name.startswith("evaluation/silo/b/") for name in metrics)


def test_each_round_selects_clients_with_its_own_seed(datasets, tmp_path):
    context = train(fedavg(), datasets, tmp_path)
    assert context.seeds == [seeds.derived(7, number) for number in (1, 2, 3)]
    assert len(set(context.seeds)) == 3


def test_a_training_that_diverged_says_so_and_saves_nothing(tmp_path):
    rows = [{"x": np.full(4, np.nan, np.float32), "y": np.int32(0)}] * 10
    context = InProcessContext("fedavg", fedavg(), {"train": {"a": [rows]}}, tmp_path)
    with pytest.raises(FedjobsError) as caught:
        asyncio.run(BUILTIN["fedavg"]()(context))
    assert caught.value.code is ErrorCode.PROGRAM_FAILED
    assert "In round 1, none of the 1 clients" in caught.value.message
    assert "client.learningRate" in caught.value.remedy
    assert not context.checkpoints.versions


def test_a_non_finite_update_is_excluded_and_counted(datasets, tmp_path):
    rows = [{"x": np.full(4, np.nan, np.float32), "y": np.int32(0)}] * 10
    data = {"train": {**datasets["train"], "c": [rows]}}
    metrics = train(fedavg(rounds=1), data, tmp_path).finished[1]
    assert metrics["train/clients"] == 4
    assert metrics["train/clientsLeftOut"] == 1


@pytest.mark.parametrize(
    ("loss", "activation", "metrics"),
    [
        ("binary_crossentropy", "linear", ["accuracy", "auc"]),
        ("binary_crossentropy", "sigmoid", ["accuracy", "auc"]),
        ("mse", "linear", ["mae"]),
        ("huber", "linear", ["mse"]),
    ],
)
def test_a_model_with_one_output_is_trained(loss, activation, metrics, tmp_path):
    dtype = np.int32 if loss == "binary_crossentropy" else np.float32
    rows = [{**row, "y": dtype(row["y"] == 1)} for row in classes(1, 60)]
    model = {
        "keras": {"input": [4], "layers": [{"Dense": {"units": 1, "activation": activation}}]},
        "loss": loss,
        "metrics": metrics,
    }
    context = train(fedavg(rounds=3, model=model, evaluation={}), {"train": {"a": [rows]}}, tmp_path)
    assert context.finished[3]["evaluation/loss"] < context.finished[1]["evaluation/loss"]
    assert set(metrics) <= {name.removeprefix("train/") for name in context.finished[1]}
    if "auc" in metrics:
        assert context.finished[3]["evaluation/auc"] > 0.8


def test_categorical_crossentropy_is_sparse_categorical_crossentropy(datasets, one_round, tmp_path):
    train(fedavg(rounds=1, model__loss="categorical_crossentropy"), datasets, tmp_path)
    for name, array in weights(one_round).items():
        np.testing.assert_allclose(weights(tmp_path)[name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_labels_that_are_no_class_of_the_loss_end_the_job_before_anything_is_saved(loss, tmp_path):
    rows = [{**row, "y": np.int32(row["y"] + 1)} for row in classes(1, 20)]
    context = InProcessContext("fedavg", fedavg(model__loss=loss), {"train": {"a": [rows]}}, tmp_path)
    with pytest.raises(FedjobsError) as caught:
        asyncio.run(BUILTIN["fedavg"]()(context))
    outside = 2 * sum(row["y"] == 3 for row in rows)  # two epochs
    assert f"{outside} of 40 labels are outside of the range of the loss, which is 0 to 2" in caught.value.message
    assert not context.checkpoints.versions
