import pytest
import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs import EvaluateParameters, FedAvgParameters, datasets, parse_parameters

from tests.programs.jobs import fedavg, layers


def refusal(**changes):
    with pytest.raises(FedjobsError) as caught:
        parse_parameters("fedavg", fedavg(**changes))
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    return caught.value


def test_the_manifest_of_the_readme_is_valid():
    parameters = parse_parameters(
        "fedavg",
        yaml.safe_load("""
            rounds: 20
            seed: 7
            model: {keras: {input: [64], layers: [{Dense: {units: 64, activation: relu}}, {Dense: {units: 10}}]},
                    loss: sparse_categorical_crossentropy, metrics: [accuracy]}
            client: {optimizer: sgd, learningRate: 0.05, batchSize: 20, epochs: 1}
        """),
    )
    assert isinstance(parameters, FedAvgParameters)
    assert [layer.kind for layer in parameters.model.keras.layers] == ["Dense", "Dense"]
    assert parameters.server.learning_rate == 1.0
    assert parameters.weighting.by == "examples"
    assert parameters.evaluation is None


def test_a_layer_without_arguments_is_written_as_its_name():
    parameters = parse_parameters("fedavg", fedavg(**layers("Flatten", {"Flatten": None}, {"Dense": {"units": 3}})))
    assert [layer.kind for layer in parameters.model.keras.layers] == ["Flatten", "Flatten", "Dense"]


def test_a_number_with_an_exponent_is_accepted_even_if_yaml_reads_a_string():
    assert parse_parameters("fedavg", fedavg(client__learningRate="1e-3")).client.learning_rate == 0.001


@pytest.mark.parametrize("weighting", ["examples", "uniform", {"cap": 3}])
def test_parsed_parameters_are_written_unchanged(weighting):
    parameters = parse_parameters("fedavg", fedavg(weighting=weighting, evaluation={"dataset": "test"}))
    written = parameters.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert written["weighting"] == weighting
    assert parse_parameters("fedavg", written) == parameters


@pytest.mark.parametrize(
    ("path", "value", "message", "remedy"),
    [
        ("client__learningRate", -1, "client.learningRate is -1: it must be greater than 0", "greater than 0"),
        ("client__learningRat", 1, "client.learningRat is not a known field", "Did you mean 'learningRate'?"),
        ("client__learning_rat", 1, "client.learning_rat is not a known field", "Did you mean 'learningRate'?"),
        ("client__optimizer", "adm", "client.optimizer is 'adm'", "Did you mean 'adam'?"),
        ("client__beta1", 0.5, "sgd has no beta1", "adam, adamw, yogi"),
        ("client__learningRate", float("nan"), "client.learningRate is nan", "finite"),
        ("client", 3, "client is 3: it must be a mapping", "batchSize"),
        ("rounds", "20", "rounds is '20'", "whole number, without quotes"),
        ("rounds", True, "rounds is True", "whole number"),
        ("rounds", None, "rounds is missing", "Add it"),
        ("seed", -1, "seed is -1", "greater than or equal to 0"),
        ("server", {"optimizer": "adam"}, "server: adam needs a learningRate", "Add learningRate"),
        ("weighting", "mean", "weighting is 'mean'", "{cap: 100}"),
        ("weighting", {"cap": 0}, "weighting.cap is 0", "greater than or equal to 1"),
        ("evaluation", {"everyRounds": 0}, "evaluation.everyRounds is 0", "greater than or equal to 1"),
        ("model__metrics", ["auc"], "model: the metric auc does not apply", "accuracy"),
        ("model__metrics", ["acuracy"], "model.metrics[0] is 'acuracy'", "Did you mean 'accuracy'?"),
        ("model__loss", None, "model: a Keras model needs a loss", "Add loss"),
        ("model__loss", "huber", "the metric accuracy does not apply to huber", "mae"),
        ("model__keras", None, "exactly one of keras and entrypoint", "Set keras or entrypoint"),
        ("model__entrypoint", "a:b", "exactly one of keras and entrypoint", "not both"),
        ("model__keras__input", 64, "model.keras.input is 64", "list"),
    ],
)
def test_a_wrong_field_is_named_with_its_path_its_value_and_the_remedy(path, value, message, remedy):
    error = refusal(**{path: value})
    assert error.message.startswith("spec.program.parameters.")
    assert message in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("items", "message", "remedy"),
    [
        ([{"Dnse": {"units": 3}}], "layers[0].Dnse is not a known field", "Did you mean 'Dense'?"),
        ([{"Dense": {"unit": 3}}], "layers[0].Dense.units is missing", "Did you mean 'units'?"),
        ([{"Dense": {"units": 0}}], "layers[0].Dense.units is 0", "greater than or equal to 1"),
        ([{"Dense": {"units": 3}, "Flatten": {}}], "layers[0]: a layer is one name", "own list item"),
        (["BatchNormalization"], "layers[0].BatchNormalization", "Use GroupNormalization instead."),
        ([{"Dropout": {"rate": 1.0}}], "layers[0].Dropout.rate is 1.0", "less than 1"),
        ([{"Dense": {"units": 1}}], "the last layer has units: 1", "binary_crossentropy"),
        ([{"Dense": {"units": 3, "activation": "relu"}}], "the last activation is relu", "activation: softmax"),
        ([{"Dense": {"units": 3, "name": "d"}}, {"Dense": {"units": 3, "name": "d"}}], "named 'd'", "a unique name"),
        ([], "keras.layers is []", "at least 1"),
    ],
)
def test_a_wrong_layer_is_named_with_its_position(items, message, remedy):
    error = refusal(**layers(*items))
    assert message in error.message
    assert remedy in error.remedy


def test_all_problems_are_reported_together():
    error = refusal(rounds=0, client__epochs=0)
    assert "parameters.rounds is 0" in error.public
    assert "parameters.client.epochs is 0" in error.public


def test_an_unknown_program_is_refused_with_the_known_ones():
    with pytest.raises(FedjobsError) as caught:
        parse_parameters("fedavgg", {})
    assert caught.value.code is ErrorCode.UNKNOWN_PROGRAM
    assert "Did you mean 'fedavg'? Known: fedavg, evaluate." in caught.value.remedy


@pytest.mark.parametrize(
    ("last", "from_logits"),
    [
        ([{"Dense": {"units": 3}}], True),
        ([{"Dense": {"units": 3, "activation": "softmax"}}], False),
        ([{"Dense": {"units": 3}}, {"Activation": {"activation": "softmax"}}, "Flatten"], False),
    ],
)
def test_the_last_activation_determines_whether_outputs_are_logits(last, from_logits):
    assert parse_parameters("fedavg", fedavg(**layers(*last))).model.from_logits is from_logits


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [({}, ["digits"]), ({"dataset": "digits"}, ["digits"]), ({"dataset": "test"}, ["digits", "test"])],
)
def test_the_datasets_of_a_job_include_that_of_the_evaluation(evaluation, expected):
    assert datasets("fedavg", "digits", fedavg(evaluation=evaluation)) == expected


def test_a_custom_program_uses_the_jobs_dataset():
    assert datasets(None, "digits", {"anything": 1}) == ["digits"]


def test_evaluate_takes_a_model_and_weights():
    parameters = parse_parameters("evaluate", {"model": fedavg()["model"], "weights": "model/weights.safetensors"})
    assert isinstance(parameters, EvaluateParameters)
    assert parameters.datasets("digits") == ["digits"]
