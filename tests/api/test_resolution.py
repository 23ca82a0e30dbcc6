from __future__ import annotations

from pathlib import Path
from typing import Any

import fedjobs_api as api
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.programs import parse_parameters

from tests.api.jobs import a_job, a_job_with

THERE = ["hospital-b", "hospital-a", "hospital-c"]


def resolved(job: dict[str, Any], folder: Path | None = None) -> ResolvedJob:
    return api.resolve(api.parse(job), THERE, folder=folder, uid="1")


def test_named_silos_are_invited_in_the_order_of_their_names() -> None:
    assert resolved(a_job(silos={"names": ["hospital-c", "hospital-a"]})).silos == ["hospital-a", "hospital-c"]


def test_labels_invite_every_silo_that_matches() -> None:
    assert resolved(a_job(silos={"selector": {"matchLabels": {"network": "eu"}}})).silos == sorted(THERE)


def test_an_unknown_silo_is_named_with_the_closest() -> None:
    with pytest.raises(FedjobsError, match=r"spec.silos.names\[0\] is 'hospital-d'.*Known: hospital-a, ") as caught:
        resolved(a_job(silos={"names": ["hospital-d"]}))
    assert caught.value.code is ErrorCode.INVALID_JOB


@pytest.mark.parametrize(
    ("cohort", "minimum", "goal"),
    [
        ({}, 2, 2),
        ({"minSilos": 1}, 1, 2),
        ({"goalSilos": 1, "minSilos": 1}, 1, 1),
        ({"minSilos": 2, "goalSilos": 9}, 2, 2),
    ],
)
def test_the_default_cohort_is_all_invited_silos(cohort: dict[str, int], minimum: int, goal: int) -> None:
    found = resolved(a_job(cohort=cohort)).cohort
    assert (found.min_silos, found.goal_silos, found.round_deadline_seconds) == (minimum, goal, 600)


def test_more_silos_than_are_invited_cannot_be_required() -> None:
    with pytest.raises(FedjobsError, match=r"spec.cohort.minSilos is 3: only 2 silos are invited. Lower it to 2"):
        resolved(a_job(cohort={"minSilos": 3}))


def test_parameters_have_all_defaults_and_the_same_meaning() -> None:
    job = a_job()
    job["spec"]["program"]["parameters"]["model"]["keras"]["layers"].insert(1, "Flatten")
    written, complete = job["spec"]["program"]["parameters"], resolved(job).program.parameters
    assert complete["client"]["batchSize"] == 32
    assert parse_parameters("fedavg", complete).model_dump() == parse_parameters("fedavg", written).model_dump()


def test_a_resolved_job_survives_a_round_trip() -> None:
    job = resolved(a_job(requestedBy="alice@example.org", output={"formats": ["keras"]}))
    assert ResolvedJob.model_validate_json(job.model_dump_json(by_alias=True)) == job


def test_each_new_job_has_its_own_uid() -> None:
    job = api.parse(a_job())
    assert api.resolve(job, THERE).uid != api.resolve(job, THERE).uid


def test_an_entry_point_is_found_beside_the_jobs_file(tmp_path: Path) -> None:
    job = resolved(a_job(program={"entrypoint": "churn:main", "parameters": {"a": 1}}), tmp_path)
    assert (job.program.source, job.program.parameters) == (str(tmp_path), {"a": 1})


def test_a_built_in_program_without_an_entry_point_needs_no_source(tmp_path: Path) -> None:
    assert resolved(a_job(), tmp_path).program.source is None


def test_relative_paths_are_relative_to_the_folder_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    job = resolved(a_job(program={"entrypoint": "churn:main", "source": {"path": "src"}}), tmp_path)
    assert job.program.source == str(tmp_path / "src")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError, match=r"spec.program.source.path is 'src': /.*/src does not exist"):
        resolved(a_job(program={"entrypoint": "churn:main", "source": {"path": "src"}}), tmp_path)


@pytest.mark.parametrize("place", [{"path": "mean.pb"}, {"configMap": {"name": "stats", "key": "mean.pb"}}])
def test_a_serialized_computation_is_not_accepted_yet(place: dict[str, Any]) -> None:
    with pytest.raises(FedjobsError, match=r"spec.program.computation is set: .* not supported yet") as caught:
        resolved(a_job(program={"computation": place}))
    assert "spec.program.entrypoint" in caught.value.remedy


def test_missing_weights_are_an_invalid_parameter(tmp_path: Path) -> None:
    model = a_job()["spec"]["program"]["parameters"]["model"]
    job = a_job(program={"name": "evaluate", "parameters": {"model": model, "weights": "w.safetensors"}})
    with pytest.raises(FedjobsError, match=r"spec.program.parameters.weights is 'w.safetensors'") as caught:
        resolved(job, tmp_path)
    assert caught.value.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    (tmp_path / "w.safetensors").touch()
    assert resolved(job, tmp_path).program.parameters["weights"] == str(tmp_path / "w.safetensors")


def test_a_config_map_needs_a_cluster(tmp_path: Path) -> None:
    job = a_job(program={"entrypoint": "churn:main", "source": {"configMap": {"name": "churn"}}})
    with pytest.raises(FedjobsError, match=r"spec.program.source.configMap is set: it needs a cluster"):
        resolved(job, tmp_path)


def test_datasets_are_those_of_the_job_and_the_evaluation() -> None:
    job = a_job_with("spec.program.parameters.evaluation", {"dataset": "digits-test"})
    assert api.datasets(api.parse(job)) == ["digits", "digits-test"]


def test_on_a_cluster_config_maps_are_folders_of_the_coordinators_pod() -> None:
    source = resolved(a_job(program={"entrypoint": "churn:main", "source": {"configMap": {"name": "churn"}}}))
    assert source.program.source == "/program"


def test_on_a_cluster_an_entry_point_without_a_source_is_in_the_coordinators_image() -> None:
    assert resolved(a_job(program={"entrypoint": "churn:main"})).program.source is None


@pytest.mark.parametrize(
    ("program", "field", "remedy"),
    [
        ({"entrypoint": "churn:main", "source": {"path": "."}}, "spec.program.source.path", "configMap: {name: NAME}"),
        (
            {"name": "evaluate", "parameters": {"model": {"entrypoint": "m:f"}, "weights": "w.safetensors"}},
            "spec.program.parameters.weights",
            "Use an absolute path in the coordinator's container",
        ),
    ],
)
def test_on_a_cluster_a_path_of_one_machine_is_refused_with_the_remedy(
    program: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(FedjobsError) as caught:
        resolved(a_job(program=program))
    assert caught.value.message.startswith(f"{field} is '")
    assert remedy in caught.value.remedy


def test_labels_without_a_silo_are_named() -> None:
    with pytest.raises(
        FedjobsError, match=r"spec.silos.selector.matchLabels is {'network': 'eu'}: no silo has these labels"
    ):
        api.resolve(api.parse(a_job(silos={"selector": {"matchLabels": {"network": "eu"}}})), [])


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "\u202eabc"])
@pytest.mark.parametrize("field", ["dataset", "requestedBy"])
def test_names_that_silos_do_not_accept_are_named_with_their_field(field: str, text: str) -> None:
    with pytest.raises(FedjobsError, match=f"spec.{field} has the name") as caught:
        resolved(a_job_with(f"spec.{field}", text))
    assert caught.value.public.isprintable()
