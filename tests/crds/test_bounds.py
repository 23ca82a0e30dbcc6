"""Local validation and the API server accept and refuse the same values of each field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import fedjobs_api as api
import pytest
from fedjobs_common.errors import FedjobsError

from tests.crds.requests import Jobs, Refused
from tests.crds.schemas import Schema, fields, schema
from tests.crds.violations import SURROUNDINGS, job_with, just_valid, violations

pytestmark = pytest.mark.api_server

SPEC = schema("federatedjobs.yaml")["properties"]["spec"]


def _cases(values: Callable[[Schema], Iterator[tuple[str, Any]]]) -> list[Any]:
    return [
        pytest.param(path, value, id=f"{path[1:]} {keyword}")
        for path, field in fields(SPEC, ".spec")
        for keyword, value in values(field)
        if not (values is just_valid and path == ".spec.program.name")  # only existing programs are accepted
    ]


VIOLATIONS, JUST_VALID = _cases(violations), _cases(just_valid)


@pytest.mark.parametrize(("path", "value"), VIOLATIONS)
def test_a_value_out_of_bounds_is_refused_by_the_server_and_locally(trials: Jobs, path: str, value: Any) -> None:
    job = job_with(path, value)
    with pytest.raises(Refused) as caught:
        trials.try_to_create(job)
    assert caught.value.of(path[1:]) or re.search(rf'unknown field "{re.escape(path[1:])}\.', str(caught.value))
    with pytest.raises(FedjobsError):
        api.parse(job)


@pytest.mark.parametrize("job", SURROUNDINGS)
def test_the_server_accepts_and_returns_what_is_valid_locally(trials: Jobs, job: dict[str, Any]) -> None:
    written = api.parse(job)
    stored = trials.try_to_create(job)
    assert api.parse(stored).spec == written.spec


def test_every_field_is_set_in_a_valid_job() -> None:
    def paths(value: Any, path: str = "") -> set[str]:
        if isinstance(value, dict):
            return {path}.union(*(paths(inner, f"{path}.{name}") for name, inner in value.items()))
        if isinstance(value, list):
            return {path}.union(*(paths(inner, f"{path}[0]") for inner in value))
        return {path}

    written = set().union(*(paths(job["spec"], ".spec") for job in SURROUNDINGS))
    assert {path for path, _ in fields(SPEC, ".spec")} - written == set()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *JUST_VALID,
        (".spec.coordinator.storage.size", "1000"),
        (".spec.coordinator.storage.size", "0.5Gi"),
        (".spec.coordinator.nodeSelector.key", ""),
        (".spec.silos.selector.matchLabels", {}),
        (".spec.output.uri", "abfs://container@account.example/models"),
        (".spec.requestedBy", "system:serviceaccount:team-a:pipeline"),
        (".spec.program", {"entrypoint": "churn:main"}),
    ],
)
def test_a_value_within_bounds_is_accepted_by_the_server_and_locally(trials: Jobs, path: str, value: Any) -> None:
    job = job_with(path, value)
    api.parse(job)
    trials.try_to_create(job)


def test_parameters_are_stored_unchanged(jobs: Jobs) -> None:
    parameters = {"rounds": 3, "weights": [0.1, 1e-3], "deep": {"er": {"text": "x", "none": None, "yes": True}}}
    stored = jobs.create(job_with(".spec.program", {"entrypoint": "churn:main", "parameters": parameters}))
    assert stored["spec"]["program"]["parameters"] == parameters
