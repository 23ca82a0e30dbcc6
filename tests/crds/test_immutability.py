"""Which fields of an existing job can change and which cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.jobs import a_job
from tests.crds.requests import Jobs, Refused
from tests.crds.schemas import rules, schema
from tests.crds.violations import a_full_job

pytestmark = pytest.mark.api_server

CONFIG_MAP = {"configMap": {"name": "churn"}}
CHANGES: list[tuple[dict[str, Any], str, Any]] = [
    (a_full_job(), "spec.program.name", "evaluate"),
    (a_full_job(program={"entrypoint": "churn:main"}), "spec.program.entrypoint", "churn:other"),
    (a_full_job(program={"entrypoint": "churn:main"}), "spec.program.source", CONFIG_MAP),
    (a_full_job(program={"entrypoint": "churn:main", "source": CONFIG_MAP}), "spec.program.source", None),
    (
        a_full_job(program={"computation": {"configMap": {"name": "stats", "key": "mean.pb"}}}),
        "spec.program.computation",
        {"configMap": {"key": "median.pb"}},
    ),
    (a_full_job(), "spec.dataset", "other"),
    (a_full_job(), "spec.silos", {"names": ["hospital-a"]}),
    (a_full_job(), "spec.silos", {"names": None, "selector": {"matchLabels": {"network": "eu"}}}),
    (a_full_job(), "spec.cohort", {"minSilos": 2}),
    (a_full_job(), "spec.cohort", {"goalSilos": None}),
    (a_full_job(), "spec.cohort", None),
    (a_full_job(), "spec.worker", {"gpu": {"mode": "Require"}}),
    (a_full_job(), "spec.output", {"uri": "s3://models/other"}),
    (a_full_job(), "spec.output", {"formats": ["savedmodel"]}),
    (a_full_job(), "spec.output", None),
    (a_full_job(), "spec.coordinator.storage", {"size": "2Ti"}),
    (a_full_job(), "spec.coordinator.storage", {"whenDeleted": None}),
    (a_full_job(), "spec.requestedBy", "bob@example.org"),
    (a_full_job(), "spec.requestedBy", None),
    (a_job(), "spec.requestedBy", "alice@example.org"),
]


def patch(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    found: dict[str, Any] = value
    return found


@pytest.mark.parametrize(("job", "path", "value"), CHANGES)
def test_fields_of_a_run_are_immutable(jobs: Jobs, job: dict[str, Any], path: str, value: Any) -> None:
    jobs.create(job)
    with pytest.raises(Refused) as caught:
        jobs.change("digits", patch(path, value))
    name = path.rpartition(".")[2]
    message = f"{name} is immutable: create a job with another name, or delete this one first"
    assert message in caught.value.of(path)


def test_every_immutable_field_is_tested() -> None:
    written = {rule["message"].split()[0] for rule in rules(schema("federatedjobs.yaml")) if "oldSelf" in rule["rule"]}
    assert written == {path.rpartition(".")[2] for _, path, _ in CHANGES}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.suspend", False),
        ("spec.backoffLimit", 7),
        ("spec.activeDeadlineSeconds", 5),
        ("spec.activeDeadlineSeconds", None),
        ("spec.ttlSecondsAfterFinished", 60),
        ("spec.coordinator.resources", {"limits": {"memory": "64Gi"}}),
        ("spec.coordinator.nodeSelector", {"pool": "large"}),
        ("spec.coordinator.tolerations", []),
        ("spec.program.parameters", {"rounds": 40}),
        ("metadata.labels", {"kueue.x-k8s.io/queue-name": "research"}),
    ],
)
def test_other_fields_can_change_while_the_job_runs(jobs: Jobs, path: str, value: Any) -> None:
    jobs.create(a_full_job())
    jobs.change("digits", patch(path, value))


def test_the_same_file_can_be_applied_again(jobs: Jobs) -> None:
    jobs.create(a_full_job())
    assert jobs.change("digits", a_full_job())["metadata"]["generation"] == 1
