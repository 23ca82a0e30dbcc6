from __future__ import annotations

from pathlib import Path
from typing import Any

import fedjobs_api as api
import pytest
import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError

from tests.api.jobs import a_job, a_job_with


def refused(job: object) -> FedjobsError:
    with pytest.raises(FedjobsError) as caught:
        api.parse(job)
    return caught.value


def test_a_job_has_the_documented_defaults() -> None:
    spec = api.parse(a_job()).spec
    assert (spec.backoff_limit, spec.suspend, spec.worker.gpu.mode) == (3, False, "Never")
    assert spec.output.formats == ["savedmodel", "keras"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.cohort.minSilos", "3", "'3'"),
        ("spec.cohort.minSilos", 0, "0"),
        ("spec.cohort.roundDeadlineSeconds", -1, "-1"),
        ("spec.cohort.roundDeadlineSeconds", 0.5, "0.5"),
        ("spec.worker.gpu.mode", "Maybe", "'Maybe'"),
        ("spec.output.formats", ["keras", "onnx"], "'onnx'"),
        ("spec.coordinator.storage.size", "a lot", "'a lot'"),
        ("spec.coordinator.storage.size", "0", "'0'"),
        ("spec.coordinator.storage.accessMode", "ReadWriteMany", "'ReadWriteMany'"),
        ("spec.coordinator.resources.requests.cpu", 0.5, "0.5"),
        ("spec.coordinator.resources.limits.memory", "a lot", "'a lot'"),
        ("spec.coordinator.tolerations", [{"effect": "NoRun"}], "'NoRun'"),
        ("spec.output.persistentVolumeClaim", {"claimName": "models", "path": "../other"}, "'../other'"),
        ("spec.silos.names", ["Hospital A"], "'Hospital A'"),
        ("spec.backoffLimit", True, "True"),
        ("spec.silos", ["hospital-a"], "['hospital-a']"),
        ("spec.program.entrypoint", "churn.py", "'churn.py'"),
        ("metadata.name", "My Job", "'My Job'"),
        ("apiVersion", "fedjobs.dev/v1", "'fedjobs.dev/v1'"),
    ],
)
def test_a_wrong_value_is_named_with_its_path_and_a_remedy(path: str, value: Any, said: str) -> None:
    error = refused(a_job_with(path, value))
    assert error.code is ErrorCode.INVALID_JOB
    assert error.message.startswith(path)
    assert said in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("spec.datset", "dataset"),
        ("spec.cohort.min_silos", "minSilos"),
        ("metdata", "metadata"),
        ("spec.program.nam", "name"),
    ],
)
def test_an_unknown_field_is_named_with_a_suggestion(path: str, meant: str) -> None:
    error = refused(a_job_with(path, 1))
    assert f"{path} is not a known field" in error.public
    assert f"Did you mean {meant!r}?" in error.public


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("spec.coordinator.resources", {"limit": {}}, "limits"),
        ("spec.coordinator.tolerations", [{"toleration_seconds": 5}], "tolerationSeconds"),
    ],
)
def test_an_unknown_field_of_a_pod_template_is_named_too(path: str, value: Any, meant: str) -> None:
    error = refused(a_job_with(path, value))
    assert error.message.startswith(path)
    assert f"Did you mean {meant!r}?" in error.remedy


def test_fields_of_a_pod_template_are_unchanged() -> None:
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    coordinator = {"resources": {"limits": {"memory": "8Gi", "cpu": 2}}, "tolerations": tolerations}
    found = api.parse(a_job(coordinator=coordinator)).spec.coordinator
    assert {"resources": found.resources, "tolerations": found.tolerations} == coordinator


def test_a_missing_field_is_named() -> None:
    job = a_job()
    del job["spec"]["dataset"]
    assert refused(job).message == "spec.dataset is missing."


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.program", {}, "exactly one of name, entrypoint and computation"),
        ("spec.program.entrypoint", "churn:main", "name, entrypoint"),
        ("spec.silos.selector", {"matchLabels": {"network": "eu"}}, "exactly one of names and selector"),
        ("spec.silos.names", ["hospital-a", "hospital-a"], "more than once"),
        ("spec.cohort", {"minSilos": 3, "goalSilos": 2}, "goalSilos: 2 is less than minSilos: 3"),
        ("spec.program", {"computation": {}}, "exactly one of configMap and path"),
        ("spec.output", {"uri": "s3://a/b", "persistentVolumeClaim": {"claimName": "c"}}, "are both set"),
        ("spec.output", {"uri": "file:///models"}, "lost with the coordinator's pod"),
        ("spec.output", {"secretRef": {"name": "s3"}}, "secretRef is set without a uri"),
        ("spec.output", {"formats": ["keras", "keras"]}, "more than once"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(path: str, value: Any, said: str) -> None:
    error = refused(a_job_with(path, value))
    assert said in error.message
    assert error.remedy


def test_parameters_are_validated_by_the_programs_model() -> None:
    error = refused(a_job_with("spec.program.parameters.client.learningRate", "fast"))
    assert error.code is ErrorCode.INVALID_PROGRAM_PARAMETER
    assert "spec.program.parameters.client.learningRate is 'fast'" in error.message


def test_an_unknown_program_is_refused_with_a_suggestion() -> None:
    error = refused(a_job_with("spec.program.name", "fedavgg"))
    assert error.code is ErrorCode.UNKNOWN_PROGRAM
    assert "Did you mean 'fedavg'?" in error.remedy


def test_a_job_that_was_read_from_a_cluster_is_valid() -> None:
    job = a_job()
    job["metadata"] |= {"uid": "1", "resourceVersion": "7", "managedFields": []}
    assert api.parse(job | {"status": {"phase": "Running"}}).metadata.name == "digits"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [1", "line 1"),
        ("a: 1\nb: {c: 1, c: 2}\n", "'c' occurs twice in line 2, column 11"),
        ("", "0 YAML documents"),
        ("a: 1\n---\nb: 2\n", "2 YAML documents"),
        ("- 1", "a job must be a mapping"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_an_invalid_job_file_is_refused_by_name(tmp_path: Path, content: str | bytes, said: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FedjobsError, match=said) as caught:
        api.load(file)
    assert caught.value.code is ErrorCode.INVALID_JOB
    assert str(file) in caught.value.message


def test_a_missing_job_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError, match=r"job.yaml cannot be read: No such file"):
        api.load(tmp_path / "job.yaml")


def test_an_error_in_a_file_names_the_file_before_the_field(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(a_job_with("spec.suspend", "no")))
    with pytest.raises(FedjobsError) as caught:
        api.load(file)
    assert caught.value.message.startswith(f"{file}: spec.suspend is 'no'")
